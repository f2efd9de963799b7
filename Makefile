# SPDX-License-Identifier: Apache-2.0
# The short way: each target installs what is missing (scripts/bootstrap), builds and runs.
# People who bring their own dependencies use the presets of CMakePresets.json.
.PHONY: all command emu tests demo first-light test soak bench gpu-tests test-aarch64 fuzz format lint clean
MAKEFLAGS += --no-print-directory
JOBS := $(shell nproc)
# make NVRTC=0: without the compiler of GPU kernels
NVRTC ?= 1

all: command

command: ## library and command: build/bin/fa4
	@scripts/bootstrap build
	@NVRTC=$(NVRTC) scripts/fetch-nvrtc
	@cmake --preset default --log-level=NOTICE
	@cmake --build --preset default --target fa4_command --parallel $(JOBS)

emu: command ## the PTX machine, build/lib/libfa4emu.so: backends emulated:sm_80 and kin, fa4 emu
	@cmake --build --preset default --target fa4emu emurun --parallel $(JOBS)

tests:
	@scripts/bootstrap test
	@NVRTC=$(NVRTC) scripts/fetch-nvrtc
	@cmake --preset default --log-level=NOTICE
	@cmake --build --preset default --parallel $(JOBS)

demo: command ## attention on real input, then a large case
	@scripts/demo

first-light: emu ## FlashAttention-4's Blackwell kernel on the PTX machine: checked, and drawn into build/first-light.svg
	@scripts/first-light

test: tests ## every suite that this machine can run, at its daily size
	@scripts/run-tests

soak: tests ## what takes longer; writes docs/measurements/DATE-soak.md
	@scripts/soak

bench: command ## our side of the comparison with torch; bench/README.md has the rest
	build/bin/fa4 bench --cases bench/cases/cpu-vs-torch.txt

test-aarch64: ## cross-build for 64-bit ARM, run under qemu-user
	@scripts/bootstrap ci
	@scripts/test-aarch64

gpu-tests: ## on a machine with a GPU: everything that needs one
	@scripts/gpu-tests

fuzz: ## each fuzz target for a minute
	@scripts/bootstrap ci
	@scripts/fuzz

format: ## clang-format in place
	@scripts/format

lint: ## what .ci/run checks about the sources
	@scripts/format --check
	@scripts/lint

clean:
	rm -rf build build-*
