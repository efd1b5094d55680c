/* zoo_fixture.h - a small synthetic zoo for tests of the public interface. */
#ifndef TESTS_ZOO_FIXTURE_H
#define TESTS_ZOO_FIXTURE_H

#include <agentcompress.h>

/* Makes a "synthetic:tiny" zoo in a fresh temporary directory and returns its
 * path; every call makes another. remove_zoo deletes zoo and directory. */
const char *make_zoo(void);
void remove_zoo(void);

/* "<temporary directory>/<name>", valid until the next call. */
const char *beside_zoo(const char *name);

/* Opens it, failing the test when that fails. */
ac_engine *open_zoo(const char *path, const ac_open_options *options);
ac_session *open_session(ac_engine *engine);

#endif
