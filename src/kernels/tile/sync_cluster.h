// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "ptx/cluster.h"

namespace fa4 {

// All threads of the cluster, whole warps: what each did before is seen by all behind it.
FA4_DEVICE void sync_cluster() {
  ptx::barrier_cluster_arrive();
  ptx::barrier_cluster_wait();
}

}  // namespace fa4
