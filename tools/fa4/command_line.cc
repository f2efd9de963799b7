// SPDX-License-Identifier: Apache-2.0
#include "command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <memory>

namespace fa4::cli {
namespace {

void add_shared_options(CLI::App* app, SharedOptions* shared) {
  const std::string group = "Problem";
  app->add_option(
         "--backend", shared->backend,
         "auto, gpu, cpu, reference (double precision), plain (the textbook algorithm, rounded) or "
         "emulated:sm_80 (86, 89, 90a, 100a, 103a, 120: the GPU kernels on the PTX machine)")
      ->capture_default_str()
      ->group(group);
  app->add_option("--kernel", shared->kernel, "auto, or a name that fa4 info lists")
      ->capture_default_str()
      ->group(group);
  app->add_option(
         "--device", shared->device,
         "cuda:N, where the tensors are then put (backend gpu: cuda:0); for plan and dump also an "
         "architecture that is not here, sm_120")
      ->group(group);
  app->add_option("--dtype", shared->dtype, "fp32, bf16 or fp16 (fp64: backend reference)")
      ->group(group);
  app->add_option("--shape", shared->shape,
                  "B,H,Hk,Sq,Sk,D[,Dv]: batch, query heads, key/value heads, lengths, head dims")
      ->group(group);
  CLI::Option* causal =
      app->add_flag("--causal", shared->causal, "mask aligned to the bottom right")->group(group);
  app->add_option("--window", shared->window,
                  "LEFT,RIGHT keys seen beside the diagonal; -1 is open")
      ->group(group)
      ->excludes(causal);
  app->add_option("--softcap", shared->softcap, "c of c*tanh(S/c); 0: none")->group(group);
  app->add_option("--scale", shared->scale, "default: 1/sqrt(D)")->group(group);
  app->add_option("--threads", shared->threads, "0: as many as OpenMP chooses")->group(group);
  const std::string machine = "PTX machine (backends emulated:...)";
  app->add_option(
         "--policy", shared->policy,
         "eager, lazy, reverse, torn, random, starve:ROLE or log: the order of what nothing "
         "synchronises")
      ->group(machine);
  app->add_option("--schedule", shared->schedule, "of --policy log: what --schedule-log wrote")
      ->group(machine);
  app->add_option("--schedule-log", shared->schedule_log, "a file that takes what the policy chose")
      ->group(machine);
  app->add_option("--schedule-seed", shared->schedule_seed,
                  "of the policy; 0 when not given (--seed is that of the values)")
      ->group(machine);
  app->add_option("--numerics", shared->numerics, "exact or fast")->group(machine);
  app->add_option("--machine-report", shared->machine_report,
                  "a file to which the report of every launch is added, or - for standard error")
      ->group(machine);
}

void add_case_options(CLI::App* app, CaseArguments* arguments) {
  add_shared_options(app, &arguments->shared);
  app->add_option("--pass", arguments->pass, "forward or backward")->capture_default_str();
  app->add_flag("--packed", arguments->packed, "pack and dump: B sequences behind one another");
  app->add_option("--page-size", arguments->page_size, "pack and dump: keys and values in pages")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 20));
}

void add_info(CLI::App* app, Action* action) {
  auto arguments = std::make_shared<InfoArguments>();
  CLI::App* verb = app->add_subcommand(
      "info",
      "The doctor: version, CPU, kernels and whether they run here, threads, why no GPU is used");
  verb->add_flag("--json", arguments->as_json, "what the library says of itself, as JSON");
  verb->footer("Example:\n  fa4 info");
  verb->callback([=] { *action = [=] { return info(*arguments); }; });
}

void add_plan(CLI::App* app, Action* action) {
  auto arguments = std::make_shared<PlanArguments>();
  CLI::App* verb =
      app->add_subcommand("plan", "Say which backend and kernel would run a problem, and why");
  add_shared_options(verb, &arguments->shared);
  verb->add_option("--pass", arguments->pass, "forward or backward")->capture_default_str();
  verb->add_option("--json", arguments->json,
                   "write the plan as JSON to a file, or - for standard output");
  verb->footer(
      "Examples:\n"
      "  fa4 plan --shape 1,32,8,4096,4096,128 --dtype bf16 --causal --pass backward\n"
      "  fa4 plan --shape 1,8,8,1,16384,128 --dtype fp16 --json -\n"
      "  fa4 plan --shape 1,32,8,4096,4096,128 --dtype bf16 --device sm_120\n"
      "Exit code 0: served; 3: refused, with every kernel's reason on standard error.");
  verb->callback([=] { *action = [=] { return plan(*arguments); }; });
}

void add_run(CLI::App* app, Action* action) {
  auto arguments = std::make_shared<RunArguments>();
  CLI::App* verb =
      app->add_subcommand("run", "Run attention on the tensors of a file, or on generated ones");
  verb->add_option(
      "IN.safetensors", arguments->input,
      "q, k, v and, when wanted, dout, dlse, sink, cu_seqlens_q, cu_seqlens_k, query_lengths, "
      "key_lengths, page_table");
  verb->add_option("-o,--output", arguments->output, "where out, lse and the gradients go");
  add_shared_options(verb, &arguments->shared);
  verb->add_flag("--check", arguments->check, "judge the results against double precision");
  verb->add_option("--check-heads", arguments->check_heads,
                   "judge on this many key/value heads and their query heads (large problems)")
      ->check(CLI::Range(int64_t{0}, int64_t{1} << 32));
  verb->add_flag("--backward", arguments->backward, "generated input: with a dout");
  verb->add_option("--seed", arguments->seed, "of generated input")->capture_default_str();
  verb->footer(
      "Layouts: q [B,Sq,H,D], k [B,Sk,Hk,D], v [B,Sk,Hk,Dv], sink [H]. Packed: q [total_q,H,D] with\n"
      "cu_seqlens_q, k and v likewise. Paged: k and v [pages,page_size,Hk,D] with page_table [B,n].\n"
      "With a dout the backward runs too. The output file appears whole or not at all.\n"
      "Examples:\n"
      "  fa4 run in.safetensors -o out.safetensors --causal --check\n"
      "  fa4 run --shape 1,32,8,4096,4096,128 --dtype bf16 --causal --backward --check-heads 1");
  verb->callback([=] { *action = [=] { return run(*arguments); }; });
}

void add_verify(CLI::App* app, Action* action) {
  auto arguments = std::make_shared<VerifyArguments>();
  CLI::App* verb =
      app->add_subcommand("verify", "Judge a problem, or random ones, against double precision");
  add_shared_options(verb, &arguments->shared);
  verb->add_option("--pass", arguments->pass, "forward, backward or both")->capture_default_str();
  verb->add_option("--random", arguments->random, "this many random problems instead of a shape");
  verb->add_option("--seed", arguments->seed, "of the values and of random problems")
      ->capture_default_str();
  verb->add_option("--start", arguments->start, "the first random problem")->capture_default_str();
  verb->add_flag(
      "--thread-check", arguments->check_threads,
      "run again with one thread and compare the bits (random problems: all, not a tenth)");
  verb->footer(
      "The rule, for every result x against double precision ref and the plain algorithm low:\n"
      "  max|x-ref| <= 2 max|low-ref| + ulp max|ref|, rms(x-ref) <= 1.5 rms(low-ref) + ulp rms(ref),\n"
      "  ulp 2^-22 (fp32), 2^-8 (bf16), 2^-11 (fp16); lse: |x-ref| <= 2e-5 max(1, |ref|).\n"
      "Random problems depend on --seed and their number only; a failure prints how to repeat it.\n"
      "Examples:\n"
      "  fa4 verify --shape 2,8,2,500,700,64 --dtype bf16 --causal\n"
      "  fa4 verify --random 1000 --seed 1\n"
      "  fa4 verify --random 1 --seed 1 --start 437 --backend cpu");
  verb->callback([=] { *action = [=] { return verify(*arguments); }; });
}

void add_bench(CLI::App* app, Action* action) {
  auto arguments = std::make_shared<BenchArguments>();
  CLI::App* verb =
      app->add_subcommand("bench", "Measure time, throughput and memory on N(0, 1) input");
  add_case_options(verb, &arguments->single);
  verb->add_option("--cases", arguments->cases,
                   "a file with the options of one case a line; # begins a comment");
  verb->add_option("--json", arguments->json,
                   "one JSON object a line into a file, or - for standard output");
  verb->add_option("--min-time", arguments->min_time,
                   "seconds of measuring per case, after a warm-up")
      ->capture_default_str();
  verb->footer(
      "Options beside --cases are defaults for its lines. extra MB: beyond inputs and results.\n"
      "Examples:\n"
      "  fa4 bench --shape 1,8,8,2048,2048,64 --dtype bf16 --causal --pass backward\n"
      "  fa4 bench --cases bench/cpu.cases --json results.jsonl\n"
      "A line of such a file: --shape 1,8,8,512,512,64 --causal --dtype bf16 --pass forward");
  verb->callback([=] { *action = [=] { return bench(*arguments); }; });
}

void add_compare(CLI::App* app, Action* action) {
  auto arguments = std::make_shared<CompareArguments>();
  CLI::App* verb = app->add_subcommand("compare", "Compare the tensors of two files, name by name");
  verb->add_option("A", arguments->a, "a safetensors file")->required();
  verb->add_option("B", arguments->b, "a safetensors file, the one that is right")->required();
  verb->add_option("--rtol", arguments->limits.rtol, "relative limit")->capture_default_str();
  verb->add_option("--atol", arguments->limits.atol, "absolute limit")->capture_default_str();
  verb->footer(
      "An element is beyond the limit when |a - b| > atol + rtol |b|, or when only one of the two is NaN.\n"
      "A tensor that is missing or has another shape fails too. With the defaults, values must be equal.\n"
      "Example:\n"
      "  fa4 compare out.safetensors expected.safetensors --rtol 1e-3 --atol 1e-5");
  verb->callback([=] { *action = [=] { return compare(*arguments); }; });
}

void add_pack(CLI::App* app, Action* action) {
  auto arguments = std::make_shared<PackArguments>();
  CLI::App* verb = app->add_subcommand(
      "pack", "Compile GPU kernels ahead of time into one file, which FA4_PACK names");
  verb->add_option("--arch", arguments->archs, "architectures, as sm_80,sm_90a")->required();
  verb->add_option("--cases", arguments->cases,
                   "standard, or a file with the options of one case a line; # begins a comment")
      ->capture_default_str();
  verb->add_option("-o,--output", arguments->output, "the pack; it appears whole or not at all")
      ->required();
  verb->add_option("--threads", arguments->threads, "0: as many as there are processors");
  verb->footer(
      "Needs NVRTC and no GPU. Each device picks its own kernels; where a problem's are not in the pack, they\n"
      "are compiled when they are needed.\n"
      "Example:\n"
      "  fa4 pack --arch sm_80,sm_90a --cases standard -o kernels.fa4pack");
  verb->callback([=] { *action = [=] { return pack(*arguments); }; });
}

void add_dump(CLI::App* app, Action* action) {
  auto arguments = std::make_shared<DumpArguments>();
  CLI::App* verb = app->add_subcommand(
      "dump", "Write the generated source, PTX, cubin and SASS of a problem's GPU kernels");
  add_case_options(verb, &arguments->single);
  verb->add_option("-o,--output", arguments->folder, "the folder to write to")
      ->capture_default_str();
  verb->footer(
      "Needs NVRTC and no GPU. SASS is written where nvdisasm or cuobjdump is in PATH.\n"
      "Example:\n"
      "  fa4 dump --shape 1,32,8,4096,4096,128 --dtype bf16 --causal --device sm_90a -o dump");
  verb->callback([=] { *action = [=] { return dump(*arguments); }; });
}

void add_emu(CLI::App* app, Action* action) {
  auto arguments = std::make_shared<EmuArguments>();
  CLI::App* verb = app->add_subcommand("emu", "Run a kernel's PTX on the PTX machine, with no GPU");
  verb->add_option("FILE.ptx", arguments->ptx, "what NVRTC or nvcc --ptx gives")->required();
  verb->add_option("--launch", arguments->launch,
                   "SPEC.json: entry, grid, block, parameters, buffers, outputs")
      ->required();
  verb->add_option("-o,--output", arguments->output, "where the outputs go, as safetensors");
  verb->add_option("--policy", arguments->policy,
                   "eager, lazy, reverse, torn, random, starve:ROLE or log")
      ->capture_default_str();
  verb->add_option("--seed", arguments->seed, "of the policy")->capture_default_str();
  verb->add_option("--schedule", arguments->schedule, "of --policy log: what --schedule-log wrote");
  verb->add_option("--schedule-log", arguments->schedule_log,
                   "a file that takes what the policy chose");
  verb->add_option("--trace", arguments->trace,
                   "a file that takes what happened, as trace events (every policy but eager)");
  verb->add_option("--numerics", arguments->numerics, "exact or fast")->capture_default_str();
  verb->add_option("--arch", arguments->arch,
                   "sm_80, sm_86, sm_89, sm_90a, sm_100a, sm_103a or sm_120")
      ->capture_default_str();
  verb->add_option("--threads", arguments->threads, "0: as many as there are processors");
  verb->add_option("--max-instructions", arguments->max_instructions,
                   "of all warps together, after which the run is stopped; 0: 2^40");
  verb->footer(
      "SPEC.json, for a kernel scale(float* x, float factor, unsigned count):\n"
      "  {\"entry\": \"scale\", \"grid\": [2], \"block\": [128],\n"
      "   \"params\": [{\"offset\": 0, \"buffer\": \"x\"},\n"
      "              {\"offset\": 8, \"type\": \"f32\", \"value\": 2},\n"
      "              {\"offset\": 12, \"type\": \"u32\", \"value\": 200}],\n"
      "   \"buffers\": {\"x\": {\"fill\": {\"dtype\": \"f32\", \"shape\": [200], \"random\": 1}}},\n"
      "   \"outputs\": [\"x\"]}\n"
      "docs/emulator/fa4-emu.md says all of it. Prints what the machine reports, then instructions by unit and by form.\n"
      "Example:\n"
      "  fa4 emu scale.ptx --launch scale.json -o out.safetensors --policy lazy\n"
      "Exit code 0: no errors; 1: errors were reported; 2: a bad file.");
  verb->callback([=] { *action = [=] { return emu(*arguments); }; });
}

void add_trace(CLI::App* app, Action* action) {
  auto arguments = std::make_shared<TraceArguments>();
  CLI::App* verb = app->add_subcommand(
      "trace", "Draw who did what when in one forward on the PTX machine (policy: lazy)");
  add_shared_options(verb, &arguments->shared);
  verb->add_option("--json", arguments->json,
                   "trace events, for ui.perfetto.dev, chrome://tracing and others");
  verb->add_option("--svg", arguments->svg, "a picture: one CTA, the middle third of its steps");
  verb->add_option("--seed", arguments->seed, "of the generated input")->capture_default_str();
  verb->add_flag("--check", arguments->check, "judge the results against double precision");
  verb->footer(
      "The axis is scheduler steps, not time: a step is an instruction of a warp. docs/emulator/traces.md says more.\n"
      "Example:\n"
      "  fa4 trace --backend emulated:sm_80 --shape 1,2,2,256,512,128 --dtype bf16 --causal --svg trace.svg");
  verb->callback([=] { *action = [=] { return trace(*arguments); }; });
}

bool has_verb(CLI::App& app, const std::string& name) {
  const auto verbs = app.get_subcommands([](CLI::App*) { return true; });
  return std::any_of(verbs.begin(), verbs.end(),
                     [&](const CLI::App* verb) { return verb->get_name() == name; });
}

}  // namespace

int parse_command_line(int argc, char** argv, Action* action) {
  CLI::App app{
      "fa4: exact attention, forward and backward. fa4 VERB --help says more about a verb."};
  app.set_version_flag("--version", fa4_version());
  app.require_subcommand(1);
  app.footer(
      "Examples:\n"
      "  fa4 info                                      what this machine can run\n"
      "  fa4 run in.safetensors -o out.safetensors     attention on tensors of a file\n"
      "  fa4 plan --shape 1,32,8,4096,4096,128 --dtype bf16 --causal\n"
      "  fa4 verify --random 100 --seed 1              random problems against double precision\n"
      "  fa4 bench --shape 1,8,8,2048,2048,64 --dtype fp32 --pass forward\n"
      "  fa4 compare a.safetensors b.safetensors --rtol 1e-3 --atol 1e-5\n\n"
      "Exit codes: 0 right, 1 a check failed, 2 bad usage or input,\n"
      "            3 refused (the reason is on standard error), 4 internal error.");
  add_info(&app, action);
  add_plan(&app, action);
  add_run(&app, action);
  add_verify(&app, action);
  add_bench(&app, action);
  add_compare(&app, action);
  add_pack(&app, action);
  add_dump(&app, action);
  add_emu(&app, action);
  add_trace(&app, action);
  try {
    app.parse(argc, argv);
    return static_cast<int>(Exit::Right);
  } catch (const CLI::Success& success) {  // --help, --version
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    if (argc > 1 && argv[1][0] != '-' && !has_verb(app, argv[1])) {
      bad_input("there is no verb {}; fa4 --help lists them", printable(argv[1]));
    }
    bad_input("{}; fa4 --help and fa4 VERB --help explain the options", error.what());
  }
}

CaseArguments parse_case_line(const std::string& line, const CaseArguments& defaults) {
  CaseArguments arguments = defaults;
  CLI::App app;
  app.set_help_flag();
  add_case_options(&app, &arguments);
  try {
    app.parse(line, false);
  } catch (const CLI::ParseError& error) {
    bad_input("{}", error.what());
  }
  return arguments;
}

}  // namespace fa4::cli
