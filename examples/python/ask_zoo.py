"""ask_zoo.py - Python with nothing but ctypes: open a zoo, ask, close.

    python3 ask_zoo.py my.zoo "The symbol of iron is"

AGENTCOMPRESS_LIBRARY may name the shared object; else the system finds it.
"""
import ctypes
import ctypes.util
import os
import sys
from ctypes import (POINTER, Structure, byref, c_char, c_char_p,
                    c_float, c_int32, c_int64, c_size_t, c_uint32, c_uint64,
                    c_void_p, sizeof)


class Error(Structure):
    _fields_ = [("struct_size", c_uint32), ("status", c_int32),
                ("message", c_char * 504)]


class Decision(Structure):
    _fields_ = [("struct_size", c_uint32), ("variant", c_uint32),
                ("variant_name", c_char * 32), ("reason", c_uint32),
                ("n_variants", c_uint32), ("confidence", c_float),
                ("unfamiliarity", c_float), ("success", c_float * 16),
                ("expected_nanodollars", c_int64),
                ("full_nanodollars", c_int64),
                ("router_nanoseconds", c_uint64), ("prompt_hash", c_uint64)]


class Result(Structure):
    _fields_ = [("struct_size", c_uint32), ("stop_reason", c_uint32),
                ("text", c_void_p), ("text_bytes", c_uint64),
                ("tokens", POINTER(c_int32)),
                ("token_logprobs", POINTER(c_float)),
                ("top_logprobs", c_void_p), ("n_tokens", c_uint32),
                ("n_logprobs", c_uint32), ("request_id", c_uint64),
                ("decision", POINTER(Decision)), ("usage", c_void_p)]


def load_library():
    name = (os.environ.get("AGENTCOMPRESS_LIBRARY")
            or ctypes.util.find_library("agentcompress")
            or "libagentcompress.so.0")
    library = ctypes.CDLL(name)
    library.ac_version.restype = c_char_p
    library.ac_status_name.restype = c_char_p
    library.ac_open.argtypes = [POINTER(c_void_p), c_char_p, c_void_p,
                                POINTER(Error)]
    library.ac_session_open.argtypes = [POINTER(c_void_p), c_void_p, c_void_p,
                                        POINTER(Error)]
    library.ac_generate.argtypes = [POINTER(Result), c_void_p, c_char_p,
                                    c_size_t, c_void_p, POINTER(Error)]
    library.ac_session_close.argtypes = [c_void_p]
    library.ac_session_close.restype = None
    library.ac_close.argtypes = [c_void_p]
    library.ac_close.restype = None
    return library


def new(struct):
    return struct(struct_size=sizeof(struct))


class Zoo:
    """An open zoo with one conversation; use it in a `with` block."""

    def __init__(self, library, path):
        self.library = library
        self.engine, self.session = c_void_p(), c_void_p()
        error = new(Error)
        self._check(library.ac_open(byref(self.engine), os.fsencode(path),
                                    None, byref(error)), error)
        try:
            self._check(library.ac_session_open(
                byref(self.session), self.engine, None, byref(error)), error)
        except RuntimeError:
            library.ac_close(self.engine)
            raise

    def _check(self, status, error):
        if status != 0:
            name = self.library.ac_status_name(status).decode()
            raise RuntimeError(f"{name}: {error.message.decode()}")

    def ask(self, prompt):
        """The answer's text and the name of the variant that gave it."""
        prompt = prompt.encode()
        result, error = new(Result), new(Error)
        self._check(self.library.ac_generate(
            byref(result), self.session, prompt, len(prompt), None,
            byref(error)), error)
        text = ctypes.string_at(result.text, result.text_bytes)
        return text.decode(), result.decision.contents.variant_name.decode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.library.ac_session_close(self.session)
        self.library.ac_close(self.engine)


def main():
    library = load_library()
    if len(sys.argv) < 2:
        print("libagentcompress", library.ac_version().decode())
        print("usage:", sys.argv[0], "ZOO [PROMPT]")
        return
    prompt = sys.argv[2] if len(sys.argv) > 2 else "Once upon a time"
    with Zoo(library, sys.argv[1]) as zoo:
        text, variant = zoo.ask(prompt)
        print(text)
        print(f"[{variant}]")


if __name__ == "__main__":
    main()
