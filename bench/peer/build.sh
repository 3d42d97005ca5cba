#!/usr/bin/env bash
# Builds the peers that Kedge is measured beside, from checkouts of theirs, optimised, static, for named instruction sets (never
# `native`: what a figure is of must be known):
#   bench/peer/build.sh avx512|avx2|amx LLAMA_CPP_FOLDER [IK_LLAMA_CPP_FOLDER]
# Programs are in FOLDER/build-<set>/bin: llama-bench and llama-batched-bench. Their own options of CMake choose the kernels.
set -euo pipefail
[[ $# -ge 2 ]] || { sed -n 2,5p "${BASH_SOURCE[0]}" >&2; exit 2; }
isa=$1
common=(-G Ninja -DCMAKE_BUILD_TYPE=Release -DBUILD_SHARED_LIBS=OFF -DGGML_NATIVE=OFF
        -DGGML_AVX=ON -DGGML_AVX2=ON -DGGML_FMA=ON -DGGML_F16C=ON)
flags="-mbmi -mbmi2"  # ik_llama.cpp's options leave out what its kernels ask for
case "$isa" in
  avx2) ;;
  avx512|amx)
    common+=(-DGGML_AVX512=ON -DGGML_AVX512_VBMI=ON -DGGML_AVX512_VNNI=ON -DGGML_AVX512_BF16=ON)
    flags+=" -mavx512f -mavx512bw -mavx512cd -mavx512dq -mavx512vl -mavx512vnni -mavx512vbmi -mavx512bf16 -mavx512vpopcntdq" ;;
  *) echo "build.sh: unknown set '$isa' (known: avx512, avx2, amx)" >&2; exit 2 ;;
esac
amx=()
[[ $isa == amx ]] && amx=(-DGGML_AMX_TILE=ON -DGGML_AMX_INT8=ON -DGGML_AMX_BF16=ON)

cmake -S "$2" -B "$2/build-$isa" "${common[@]}" "${amx[@]}" -DGGML_BMI2=ON -DLLAMA_OPENSSL=OFF -DLLAMA_CURL=OFF \
  -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_UI=OFF -DLLAMA_BUILD_APP=OFF
ninja -C "$2/build-$isa" llama-bench llama-batched-bench
if [[ $# -ge 3 ]]; then
  cmake -S "$3" -B "$3/build-$isa" "${common[@]}" -DCMAKE_C_FLAGS="$flags" -DCMAKE_CXX_FLAGS="$flags" -DGGML_NCCL=OFF \
    -DLLAMA_CURL=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_SERVER=OFF
  ninja -C "$3/build-$isa" llama-bench llama-batched-bench
fi
