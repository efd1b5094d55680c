/* project_pairs.c - products in two halves by calls of project: all whole
 * matrices and inner halves at once, then per inner one all the outer halves
 * that read it. */
#include "kernels/backend.h"

static ac_status project_outers(aci_backend *backend,
                                const aci_product *inner, int32_t number,
                                const aci_outer *outers, int32_t n_outers,
                                int32_t n_rows, ac_error *error)
{
    const aci_input input = { .x = inner->out, .x_stride = inner->out_stride };
    aci_product products[ACI_MAX_PRODUCTS];
    int32_t n = 0, i;

    for (i = 0; i < n_outers; i++)
        if (outers[i].inner == number)
            products[n++] = outers[i].product;
    return n == 0 ? AC_OK
                  : backend->operations->project(backend, products, n, &input,
                                                 n_rows, error);
}

ac_status aci_kernels_project_pairs(aci_backend *backend,
                                    const aci_product *products,
                                    int32_t n_products,
                                    const aci_outer *outers, int32_t n_outers,
                                    const aci_input *input, int32_t n_rows,
                                    ac_error *error)
{
    ac_status status = backend->operations->project(
        backend, products, n_products, input, n_rows, error);
    int32_t i;

    for (i = 0; i < n_products && status == AC_OK; i++)
        status = project_outers(backend, &products[i], i, outers, n_outers,
                                n_rows, error);
    return status;
}
