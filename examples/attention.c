/* SPDX-License-Identifier: Apache-2.0 */
/* Causal attention of 4 queries over 4 keys, in C. Each row of v holds its position, and all keys are
 * equal, so query i averages the positions 0 to i: 0, 0.5, 1, 1.5.
 * Build: cc attention.c $(pkg-config --cflags --libs fa4) */
#include <fa4/fa4.h>
#include <stdio.h>

int main(void) {
  float q[4] = {1, 1, 1, 1}, k[4] = {1, 1, 1, 1}, v[4] = {0, 1, 2, 3}, out[4];
  int64_t shape[4] = {1, 4, 1, 1}; /* batch, rows, heads, dim */
  DLTensor tensor = {.device = {kDLCPU, 0}, .ndim = 4, .dtype = {kDLFloat, 32, 1}, .shape = shape};
  DLTensor tq = tensor, tk = tensor, tv = tensor, tout = tensor;
  tq.data = q, tk.data = k, tv.data = v, tout.data = out;
  fa4_problem problem;
  fa4_problem_init(&problem);
  problem.q = &tq, problem.k = &tk, problem.v = &tv, problem.causal = 1;
  fa4_forward_tensors results = {.struct_size = sizeof(results), .out = &tout};
  if (fa4_attention_forward(&problem, &results, NULL) != FA4_OK) return puts(fa4_last_error()), 1;
  printf("fa4 %s: out = %g %g %g %g\n", fa4_version(), out[0], out[1], out[2], out[3]);
  return 0;
}
