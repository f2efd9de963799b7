/* SPDX-License-Identifier: Apache-2.0 */
/* All of libcudart.so.12 and .13: the version that programs ask for. The functions are in libfa4cudart. */
__attribute__((visibility("default"))) int fa4_cudart_version = 13000;
