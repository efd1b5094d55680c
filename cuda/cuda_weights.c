/* cuda_weights.c - matrices on the device: uploaded once, as they lie, and
 * shared by all variants that read them. */
#include "cuda/cuda_backend.h"

static ac_status keep_upload(aci_cuda_backend *cuda, aci_cuda_upload made,
                             ac_error *error)
{
    if (cuda->n_uploads == cuda->n_uploads_room) {
        size_t room = cuda->n_uploads_room ? 2 * cuda->n_uploads_room : 64;
        aci_cuda_upload *more = aci_platform_realloc(
            cuda->base.memory, cuda->uploads, room * sizeof *more);

        if (more == NULL)
            return aci_platform_fail_memory(error, "the list of uploads");
        cuda->uploads = more;
        cuda->n_uploads_room = room;
    }
    cuda->uploads[cuda->n_uploads++] = made;
    return AC_OK;
}

/* *out = where `host` is on the device, uploading it the first time. */
static ac_status place(const void **out, aci_cuda_backend *cuda,
                       const void *host, size_t bytes, ac_error *error)
{
    aci_cuda_upload made = { host, NULL, bytes };
    size_t i;
    ac_status status;

    *out = NULL;
    if (host == NULL)
        return AC_OK;
    for (i = 0; i < cuda->n_uploads; i++)
        if (cuda->uploads[i].host == host && cuda->uploads[i].bytes >= bytes) {
            *out = cuda->uploads[i].device;
            return AC_OK;
        }
    made.device = aci_cuda_allocate(&cuda->base, bytes);
    if (made.device == NULL)
        return aci_cuda_refuse(&cuda->base, bytes, "weights", error);
    status = keep_upload(cuda, made, error);
    if (status != AC_OK) {
        aci_cuda_release(&cuda->base, made.device);
        return status;
    }
    *out = made.device;
    return aci_cuda_host_to(&cuda->base, made.device, host, bytes, error);
}

ac_status aci_cuda_adopt(aci_backend *backend, aci_matrix *matrix,
                         ac_error *error)
{
    aci_cuda_backend *cuda = (aci_cuda_backend *)backend;
    aci_matrix placed = *matrix;
    const void *parts[5] = { 0 };
    ac_status status = aci_cuda_enter(cuda, error);

    if (status == AC_OK && matrix->dense != NULL)
        status =
            place(&parts[4], cuda, matrix->dense,
                  (size_t)matrix->n_out * (size_t)matrix->n_in * sizeof(float),
                  error);
    else if (status == AC_OK) {
        size_t nibbles = aci_matrix_nibble_bytes(matrix);

        status = place(&parts[0], cuda, matrix->plane_a, nibbles, error);
        if (status == AC_OK)
            status = place(&parts[1], cuda, matrix->plane_b, nibbles, error);
        if (status == AC_OK)
            status =
                place(&parts[2], cuda, matrix->plane_c, 2 * nibbles, error);
        if (status == AC_OK)
            status = place(&parts[3], cuda, matrix->scales,
                           aci_matrix_scale_bytes(matrix), error);
    }
    if (status != AC_OK)
        return status;
    placed.plane_a = parts[0];
    placed.plane_b = parts[1];
    placed.plane_c = parts[2];
    placed.scales = parts[3];
    placed.dense = parts[4];
    *matrix = placed;
    return AC_OK;
}
