/* SPDX-License-Identifier: Apache-2.0 */
/* The PTX machine: a library of its own, libfa4emu.so, that executes the PTX of NVRTC and nvcc on the
 * CPU. It knows PTX and nothing of attention. docs/emulator/ says what it promises.
 *
 *   fa4emu_options options;
 *   fa4emu_options_init(&options);
 *   options.policy = "lazy";
 *   fa4emu_create(&options, &machine);
 *   fa4emu_load(machine, ptx, strlen(ptx), &module);
 *   fa4emu_add_memory(machine, "x", x, sizeof(x), 1);
 *   fa4emu_launch(machine, &launch, &report);
 *
 * Every call returns a status; on failure fa4emu_last_error() is one sentence. What is wrong with a kernel is not a
 * failure of the call but part of its report. Within one soname (libfa4emu.so.0) functions are
 * only added, and structs, which begin with their size, only grow at their end. A machine is used by one thread at a time;
 * several machines by several.
 */
#ifndef FA4_EMU_H_
#define FA4_EMU_H_

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__GNUC__)
#define FA4EMU_API __attribute__((visibility("default")))
#else
#define FA4EMU_API
#endif

#ifdef __cplusplus
#define FA4EMU_ENUM_TYPE : int /* in C++ too, an enum may then hold any int that a caller passes */
extern "C" {
#else
#define FA4EMU_ENUM_TYPE
#endif

typedef enum fa4emu_status FA4EMU_ENUM_TYPE {
  FA4EMU_OK = 0,
  FA4EMU_ERROR_INVALID_ARGUMENT = 1, /* a null pointer, a policy without meaning */
  FA4EMU_ERROR_REFUSED = 2, /* a module, an entry or a launch that the machine does not take */
  FA4EMU_ERROR_OUT_OF_MEMORY = 3,
  FA4EMU_ERROR_INTERNAL = 4 /* a mistake of this library */
} fa4emu_status;

typedef struct fa4emu_machine fa4emu_machine;
typedef struct fa4emu_report fa4emu_report;

/* How a machine works. Initialise with fa4emu_options_init, then set what differs. */
typedef struct fa4emu_options {
  size_t struct_size;
  uint32_t arch; /* compute capability: 80, 86, 89, 90, 100, 103, 120 */
  uint32_t
      threads; /* of the host; 0: as many as there are processors. Results do not depend on it */
  const char*
      policy; /* "eager" (null), "lazy", "reverse", "torn", "random" or "starve:ROLE", where ROLE is a name
                 of the launch's labels or warps of a CTA, "12" or "4-7": in which order things happen that no
                 synchronisation orders */
  const char* numerics;      /* "exact" (null) or "fast" */
  uint64_t seed;             /* of the policy */
  uint64_t max_instructions; /* of a launch, all warps together; 0: 2^40 */
  int32_t
      checks; /* 1: races and uninitialised reads of shared memory are reported; 0: they are not */
  int32_t elect_any; /* 1: with a seed that is not 0, elect.sync takes another lane than the lowest,
                        which the manual allows; 0: the lowest, which GPUs take */
} fa4emu_options;

static inline void fa4emu_options_init(fa4emu_options* options) {
  memset(options, 0, sizeof(*options));
  options->struct_size = sizeof(*options);
  options->arch = 80;
  options->checks = 1;
}

/* What an entry asks for. */
typedef struct fa4emu_entry {
  size_t struct_size;           /* set by the caller */
  uint32_t param_bytes;         /* of all parameters, each at its alignment */
  uint32_t static_shared_bytes; /* of shared memory */
  uint32_t max_threads[3];      /* .maxntid; 0: not said */
  uint32_t threads[3];          /* .reqntid; 0: not said */
} fa4emu_entry;

/* What a kernel calls its warps and its shared memory: reports use these names. */
typedef struct fa4emu_warp_label {
  uint32_t first, last; /* warps of a CTA */
  const char* name;     /* "Load" */
} fa4emu_warp_label;

typedef struct fa4emu_shared_label {
  const char* name;  /* "full" */
  uint32_t offset;   /* bytes from the start of the dynamic shared memory */
  uint32_t bytes;    /* of one element */
  uint32_t count;    /* elements: "full[2]" is the third */
  uint32_t reserved; /* 0 */
} fa4emu_shared_label;

typedef struct fa4emu_tensor_label {
  const char* name; /* "S0" */
  uint32_t column;  /* of tensor memory, the first */
  uint32_t columns; /* of one element */
  uint32_t count;   /* elements: "S[1]" is the second */
} fa4emu_tensor_label;

typedef struct fa4emu_labels {
  size_t struct_size;
  const fa4emu_warp_label* warps;
  size_t num_warps;
  const fa4emu_shared_label* shared;
  size_t num_shared;
  const fa4emu_tensor_label* tensor;
  size_t num_tensor;
} fa4emu_labels;

typedef struct fa4emu_launch_config {
  size_t struct_size;
  uint64_t module;
  const char* entry;
  uint32_t grid[3];
  uint32_t block[3];
  uint32_t cluster[3]; /* 1, 1, 1: what the kernel says (.reqnctapercluster), or none */
  uint32_t dynamic_shared_bytes;
  const void* params; /* as the entry lays them out */
  size_t param_bytes;
  const fa4emu_labels* labels;  /* null: none */
  int32_t non_portable_cluster; /* 1: up to 16 CTAs in a cluster, not 8 */
  int32_t reserved;             /* 0 */
} fa4emu_launch_config;

typedef enum fa4emu_level FA4EMU_ENUM_TYPE {
  FA4EMU_LEVEL_ERROR = 0,
  FA4EMU_LEVEL_WARNING = 1
} fa4emu_level;

typedef struct fa4emu_summary {
  size_t struct_size; /* set by the caller */
  int32_t finished;   /* 0: stopped by a deadlock, a trap, the step limit, … */
  int32_t reserved;
  uint64_t num_errors; /* with repetitions */
  uint64_t num_lost;   /* distinct reports beyond the most that are kept */
  uint64_t warp_instructions;
  size_t num_items, num_units, num_forms; /* what fa4emu_report_item, _unit and _form have */
  const char* output;                     /* of printf */
  size_t output_bytes;
  const char* text; /* all of the report, for a reader */
} fa4emu_summary;

/* Equal reports are counted, not repeated. */
typedef struct fa4emu_item {
  size_t struct_size; /* set by the caller */
  fa4emu_level level;
  const char* code; /* "smem.bounds"; docs/emulator/reports.md lists them */
  const char* text; /* the first line is a sentence that begins with its kind: "out of bounds: …" */
  uint64_t count;
} fa4emu_item;

/* How many warp instructions a unit, or a form of the instruction table, has executed. */
typedef struct fa4emu_count {
  size_t struct_size;   /* set by the caller */
  const char* name;     /* "shared memory"; of a form, its syntax */
  const char* fidelity; /* of a form: "exact", "by the manual", "approximate: …"; of a unit: "" */
  uint64_t warp_instructions;
} fa4emu_count;

/* A tensor as TMA copies it, in the words and with the numbers of the CUDA driver's cuTensorMapEncodeTiled. Not served: packed
 * types (data_type 13 and more), interleaved layouts, the swizzles of sm_100 (4 and more). */
typedef struct fa4emu_tensor_map {
  size_t struct_size;
  uint32_t
      data_type; /* CUtensorMapDataType: 0 u8, 1 u16, 2 u32, 3 s32, 4 u64, 5 s64, 6 f16, 7 f32, 8 f64, 9 bf16,
                         10 f32 and 12 tf32 with denormals flushed, 11 tf32 */
  uint32_t rank;                   /* 1 to 5 */
  const void* address;             /* of memory that the machine has been given by then */
  const uint64_t* sizes;           /* [rank], in elements; the contiguous dimension first */
  const uint64_t* strides;         /* [rank - 1], in bytes, of dimensions 1 and up */
  const uint32_t* box;             /* [rank] */
  const uint32_t* element_strides; /* [rank]; null: 1 */
  uint32_t interleave;             /* 0 */
  uint32_t swizzle;                /* CUtensorMapSwizzle: 0 none, 1, 2, 3: 32, 64, 128 bytes */
  uint32_t l2_promotion;           /* 0 to 3; nothing depends on it */
  uint32_t fill;                   /* of what is out of bounds: 0 zeros, 1 NaN */
} fa4emu_tensor_map;

/* "0.1.0", the version of fa4 that this machine belongs to */
FA4EMU_API const char* fa4emu_version(void);

/* Why the last call on this thread that failed did so. Never null. Valid until this thread's next call. */
FA4EMU_API const char* fa4emu_last_error(void);

FA4EMU_API fa4emu_status fa4emu_create(const fa4emu_options* options, fa4emu_machine** machine);
FA4EMU_API void fa4emu_destroy(fa4emu_machine* machine); /* null is fine */

/* A PTX text of `bytes` characters. Its variables live as long as the machine. */
FA4EMU_API fa4emu_status fa4emu_load(fa4emu_machine* machine, const char* ptx, size_t bytes,
                                     uint64_t* module);

/* The name of the module's entry of that index, in the order of the text; null beyond the last. Valid for the life of
 * the machine. */
FA4EMU_API fa4emu_status fa4emu_entry_name(fa4emu_machine* machine, uint64_t module, size_t index,
                                           const char** name);
FA4EMU_API fa4emu_status fa4emu_entry_facts(fa4emu_machine* machine, uint64_t module,
                                            const char* entry, fa4emu_entry* facts);
/* Where the entry's parameter of that index lies among all of them; bytes 0 beyond the last. */
FA4EMU_API fa4emu_status fa4emu_entry_param(fa4emu_machine* machine, uint64_t module,
                                            const char* entry, size_t index, uint32_t* offset,
                                            uint32_t* bytes);
/* Where a variable of the module lies, as cuModuleGetGlobal says it. */
FA4EMU_API fa4emu_status fa4emu_variable(fa4emu_machine* machine, uint64_t module, const char* name,
                                         void** address, uint64_t* bytes);

/* Memory of the host that kernels may touch, at its own address, under the name that reports give it. Ranges may not
 * overlap. An access outside every range is reported and not made. */
FA4EMU_API fa4emu_status fa4emu_add_memory(fa4emu_machine* machine, const char* name,
                                           const void* base, uint64_t bytes, int32_t writable);

/* The same, with what may be known of it. */
typedef struct fa4emu_memory {
  size_t struct_size;
  const char* name;
  const void* base;
  uint64_t bytes;
  int32_t writable;
  int32_t
      uninitialised; /* 1: nobody has written it yet: a read of what no kernel has written, and no
                              fa4emu_mark_initialised has named, is reported. 0: all of it has a value */
} fa4emu_memory;
FA4EMU_API fa4emu_status fa4emu_add_memory_range(fa4emu_machine* machine,
                                                 const fa4emu_memory* memory);
/* The host has written there, in any ranges. */
FA4EMU_API fa4emu_status fa4emu_mark_initialised(fa4emu_machine* machine, const void* base,
                                                 uint64_t bytes);
FA4EMU_API fa4emu_status fa4emu_remove_memory(fa4emu_machine* machine, const void* base);

/* What launches choose from now on where their policy is free is written to a file, which begins anew; or taken from such
 * a file, launch by launch, whatever the policy and the seed: what has been seen once can be seen again. */
FA4EMU_API fa4emu_status fa4emu_write_schedule(fa4emu_machine* machine, const char* path);
FA4EMU_API fa4emu_status fa4emu_follow_schedule(fa4emu_machine* machine, const char* path);
/* What launches do from now on, warp by warp and operation by operation, is written to a file of trace events, which common
 * viewers of timelines open. Its axis is scheduler steps: docs/emulator/traces.md. Operations are seen under every policy
 * but eager, which makes them where they are issued. */
FA4EMU_API fa4emu_status fa4emu_write_trace(fa4emu_machine* machine, const char* path);
/* Writes the 128 bytes that a kernel of any machine takes as its tensor map: they are of this library's own making, and
 * no GPU takes them. What the CUDA driver would refuse is FA4EMU_ERROR_REFUSED. */
FA4EMU_API fa4emu_status fa4emu_encode_tensor_map(const fa4emu_tensor_map* tensor, void* bytes);

/* Runs a grid to its end, or to where it cannot go on. FA4EMU_OK means that it was begun: whether it was right is in the
 * report, which the caller destroys. */
FA4EMU_API fa4emu_status fa4emu_launch(fa4emu_machine* machine, const fa4emu_launch_config* launch,
                                       fa4emu_report** report);

/* What these give is valid for the life of the report. */
FA4EMU_API fa4emu_status fa4emu_report_summary(const fa4emu_report* report,
                                               fa4emu_summary* summary);
FA4EMU_API fa4emu_status fa4emu_report_item(const fa4emu_report* report, size_t index,
                                            fa4emu_item* item);
FA4EMU_API fa4emu_status fa4emu_report_unit(const fa4emu_report* report, size_t index,
                                            fa4emu_count* count);
FA4EMU_API fa4emu_status fa4emu_report_form(const fa4emu_report* report, size_t index,
                                            fa4emu_count* count);
FA4EMU_API void fa4emu_report_destroy(fa4emu_report* report); /* null is fine */

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* FA4_EMU_H_ */
