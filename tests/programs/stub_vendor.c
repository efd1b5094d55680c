/* stub_vendor.c - a libcublas or libcusparse that is of no use, for
 * vendor_loading.sh:
 *   VERSION   what it says its version is
 *   START     what creating a handle answers
 *   LACKS     a function that is not there
 * Products answer 0 and do nothing. */
typedef int answer;

#define CREATE(name) \
    answer name(void **handle); \
    answer name(void **handle) \
    { \
        static int one; \
        *handle = &one; \
        return START; \
    }
#define TELL(name) \
    answer name(void *handle, int *version); \
    answer name(void *handle, int *version) \
    { \
        (void)handle; \
        *version = VERSION; \
        return 0; \
    }
#define NOTHING(name) \
    answer name(void); \
    answer name(void) { return 0; }

CREATE(cublasCreate_v2)
TELL(cublasGetVersion_v2)
NOTHING(cublasDestroy_v2)
NOTHING(cublasSetStream_v2)
CREATE(cusparseCreate)
TELL(cusparseGetVersion)
NOTHING(cusparseDestroy)
NOTHING(cusparseSetStream)
NOTHING(cusparseCreateBlockedEll)
NOTHING(cusparseDestroySpMat)
NOTHING(cusparseCreateDnMat)
NOTHING(cusparseDestroyDnMat)
NOTHING(cusparseSpMM_bufferSize)
#ifdef NEEDS_LINK /* from libnvJitLink, which is only beside it */
int nvJitLinkVersion(void);
answer cusparseSpMM(void);
answer cusparseSpMM(void) { return nvJitLinkVersion(); }
#elif !defined(LACKS)
NOTHING(cusparseSpMM)
#endif
#ifndef LACKS
NOTHING(cublasGemmEx)
#endif
