// route_prompt.rs - Rust without a binding crate: which variant would answer?
//
//     rustc -O -L PREFIX/lib route_prompt.rs
//     ./route_prompt my.zoo "The symbol of iron is"
use std::env;
use std::ffi::{c_char, c_void, CStr, CString};
use std::mem::size_of;
use std::ptr;

#[repr(C)]
struct AcError {
    struct_size: u32,
    status: i32,
    message: [c_char; 504],
}

#[repr(C)]
struct AcDecision {
    struct_size: u32,
    variant: u32,
    variant_name: [c_char; 32],
    reason: u32,
    n_variants: u32,
    confidence: f32,
    unfamiliarity: f32,
    success: [f32; 16],
    expected_nanodollars: i64,
    full_nanodollars: i64,
    router_nanoseconds: u64,
    prompt_hash: u64,
}

#[link(name = "agentcompress")]
extern "C" {
    fn ac_version() -> *const c_char;
    fn ac_reason_name(reason: u32) -> *const c_char;
    fn ac_open(out: *mut *mut c_void, path: *const c_char,
               options: *const c_void, error: *mut AcError) -> i32;
    fn ac_close(engine: *mut c_void);
    fn ac_route(out: *mut AcDecision, engine: *const c_void,
                prompt: *const c_char, prompt_bytes: usize,
                options: *const c_void, error: *mut AcError) -> i32;
}

fn text(pointer: *const c_char) -> String {
    unsafe { CStr::from_ptr(pointer).to_string_lossy().into_owned() }
}

/// An open zoo; closed when it goes out of scope.
struct Engine(*mut c_void);

impl Drop for Engine {
    fn drop(&mut self) {
        unsafe { ac_close(self.0) }
    }
}

fn new_error() -> AcError {
    AcError { struct_size: size_of::<AcError>() as u32, status: 0,
              message: [0; 504] }
}

impl Engine {
    fn open(path: &str) -> Result<Engine, String> {
        let path = CString::new(path).map_err(|e| e.to_string())?;
        let mut error = new_error();
        let mut engine = ptr::null_mut();
        let status = unsafe {
            ac_open(&mut engine, path.as_ptr(), ptr::null(), &mut error)
        };
        if status == 0 { Ok(Engine(engine)) }
        else { Err(text(error.message.as_ptr())) }
    }

    fn route(&self, prompt: &str) -> Result<AcDecision, String> {
        let mut error = new_error();
        // All zero is what AC_DECISION_INIT is, but for the size.
        let mut decision: AcDecision = unsafe { std::mem::zeroed() };
        decision.struct_size = size_of::<AcDecision>() as u32;
        let status = unsafe {
            ac_route(&mut decision, self.0, prompt.as_ptr() as *const c_char,
                     prompt.len(), ptr::null(), &mut error)
        };
        if status == 0 { Ok(decision) }
        else { Err(text(error.message.as_ptr())) }
    }
}

fn run(path: &str, prompt: &str) -> Result<(), String> {
    let decision = Engine::open(path)?.route(prompt)?;
    println!("{} ({}), confidence {:.2}, decided in {} ns",
             text(decision.variant_name.as_ptr()),
             text(unsafe { ac_reason_name(decision.reason) }),
             decision.confidence, decision.router_nanoseconds);
    Ok(())
}

fn main() {
    let arguments: Vec<String> = env::args().collect();
    if arguments.len() < 2 {
        println!("libagentcompress {}", text(unsafe { ac_version() }));
        println!("usage: {} ZOO [PROMPT]", arguments[0]);
        return;
    }
    let prompt = arguments.get(2).map_or("Once upon a time", |s| s.as_str());
    if let Err(message) = run(&arguments[1], prompt) {
        eprintln!("{}", message);
        std::process::exit(1);
    }
}
