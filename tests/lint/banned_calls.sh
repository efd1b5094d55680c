#!/bin/sh
# Calls that have one place, or none: memory only in platform/memory.c; files,
# threads and clocks only in platform; the library never prints, exits, reads
# the environment or touches the locale; nothing unbounded.
set -eu
here=$(dirname "$0")
code=$(mktemp)
trap 'rm -f "$code"' EXIT
git ls-files src cuda | grep -E '\.([ch]|cu)$' |
    xargs awk -f "$here/code_only.awk" > "$code"

bad=0
ban() { # except-pattern, why, names...
    except=$1 why=$2
    shift 2
    names=$(echo "$*" | tr ' ' '|')
    if grep -vE "^($except)" "$code" |
        grep -E "^[^:]*:[0-9]*:(.*[^A-Za-z0-9_.>])?($names) *\("; then
        echo "    ^ $why"
        bad=1
    fi
}
none='^$'
ban 'src/platform/memory\.c|src/programs/' 'allocates outside memory.c' \
    malloc calloc realloc free aligned_alloc posix_memalign memalign strdup \
    strndup asprintf vasprintf getline getdelim open_memstream alloca
ban 'src/programs/' 'a library does not print' \
    printf vprintf puts putchar perror fprintf vfprintf fputs fputc putc
ban 'src/programs/' 'a library does not end its host or read its surroundings' \
    exit _exit _Exit quick_exit abort getenv secure_getenv setenv putenv \
    setlocale localeconv uselocale signal sigaction system popen fork
ban 'src/platform/|src/programs/' 'belongs in platform' \
    fopen fdopen freopen open openat creat mmap munmap pread pwrite \
    pthread_create clock_gettime gettimeofday time clock usleep nanosleep \
    opendir rename unlink mkdir
ban "$none" 'unbounded, unsafe between threads, or silent about errors' \
    strcpy strcat stpcpy sprintf vsprintf gets strtok rand srand atoi atol \
    atoll atof scanf sscanf strerror localtime gmtime tmpnam mktemp asctime \
    ctime
# The host's locale may write 0.5 as 0,5: numbers go through jansson or the
# _l functions.
ban 'src/programs/' 'depends on the locale of the host' \
    strtod strtof strtold tolower toupper isalpha isalnum isspace isupper \
    islower ispunct isprint
[ $bad = 0 ] || { echo "FAIL banned_calls"; exit 1; }
echo "ok banned_calls"
