// stream_answer.cpp - C++: handles in unique_ptr, failures as exceptions, text
// as it is generated.
//
//     c++ stream_answer.cpp $(pkg-config --cflags --libs agentcompress)
//     ./a.out my.zoo "The symbol of iron is"
#include <agentcompress.h>

#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

namespace {

struct Closer {
    void operator()(ac_engine *engine) const { ac_close(engine); }
    void operator()(ac_session *session) const { ac_session_close(session); }
};
using Engine = std::unique_ptr<ac_engine, Closer>;
using Session = std::unique_ptr<ac_session, Closer>;

void check(ac_status status, const ac_error &error)
{
    if (status != AC_OK)
        throw std::runtime_error(std::string(ac_status_name(status)) + ": " +
                                 error.message);
}

Engine open_zoo(const char *path)
{
    ac_error error = AC_ERROR_INIT;
    ac_engine *engine = nullptr;
    check(ac_open(&engine, path, nullptr, &error), error);
    return Engine(engine);
}

Session open_session(const Engine &engine)
{
    ac_error error = AC_ERROR_INIT;
    ac_session *session = nullptr;
    check(ac_session_open(&session, engine.get(), nullptr, &error), error);
    return Session(session);
}

// Exceptions must not cross the library: catch inside, return non-zero.
int32_t print_text(const char *text, size_t text_bytes, void *) noexcept
{
    std::cout << std::string_view(text, text_bytes) << std::flush;
    return 0;
}

void answer(const Session &session, std::string_view prompt)
{
    ac_error error = AC_ERROR_INIT;
    ac_generate_options options = AC_GENERATE_OPTIONS_INIT;
    ac_result result = AC_RESULT_INIT;

    options.max_tokens = 32;
    options.on_text = print_text;
    check(ac_generate(&result, session.get(), prompt.data(), prompt.size(),
                      &options, &error), error);
    std::cout << "\n[" << result.decision->variant_name << ", "
              << result.usage->generated_tokens << " tokens]\n";
}

} // namespace

int main(int argc, char **argv)
{
    if (argc < 2) {
        std::cout << "libagentcompress " << ac_version() << "\nusage: "
                  << argv[0] << " ZOO [PROMPT]\n";
        return 0;
    }
    try {
        // The session is declared last and so closed first.
        Engine engine = open_zoo(argv[1]);
        Session session = open_session(engine);
        answer(session, argc > 2 ? argv[2] : "Once upon a time");
    } catch (const std::exception &failure) {
        std::cerr << failure.what() << "\n";
        return 1;
    }
    return 0;
}
