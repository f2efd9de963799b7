// SPDX-License-Identifier: Apache-2.0
// What an NVRTC of long ago says of itself.
int nvrtcVersion(int* major, int* minor) {
  *major = 11;
  *minor = 8;
  return 0;
}
