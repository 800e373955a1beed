#!/usr/bin/env bash
# Measure lineup on a GPU in 8 minutes.
#
#     benchmarks/gpu.sh [--smoke] [FOLDER]
#
# The script needs a `python` on the PATH with the packages of lineup, such as .venv/bin after `make setup CUDA=1`. The
# images come from data/splits of this checkout, from the folder FASHION_MNIST_DIR, or from the internet. If PyTorch is
# installed, it is measured, too. The script works in a temporary project and does not change the checkout.
#
# Each part has a time limit. If a part fails or takes too long, the next part starts. FOLDER (default: $OUT, or
# gpu-results) must be empty. At the end, it contains at most eight files:
#
#     summary.txt           each part with its exit status (124: time limit) and its seconds
#     log.txt               the output of all parts
#     gpu.csv               load, memory and power of the GPU once per second, if nvidia-smi is available
#     training.json         benchmarks/training.py: images per second
#     precision.json        benchmarks/training.py: bfloat16, and without XLA
#     identical.json        benchmarks/identical.py: two training runs with the same settings
#     deterministic.json    the same with XLA's deterministic operations, if the two runs differ
#     records.zip           all records without the models, for `lineup import`
#
# --smoke runs all parts in a few minutes on a CPU, with small generated images. It only tests the script.

set -uo pipefail # but not -e: after an error, the next part starts

smoke=
[ "${1:-}" = --smoke ] && { smoke=yes && shift; }
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd) || exit 1
out=${1:-${OUT:-gpu-results}}
mkdir -p "$out" && out=$(cd "$out" && pwd) || exit 1
if [ -n "$(ls -A "$out")" ]; then
  echo "$out: not empty; name another folder" >&2
  exit 1
fi
temporary=$(mktemp -d) || exit 1
project=$temporary/project
monitor='' child=''
trap 'kill $monitor $child 2>/dev/null; rm -rf "$temporary"' EXIT
trap 'exit 130' INT TERM

export PYTHONPATH=$root/src${PYTHONPATH:+:$PYTHONPATH} MLFLOW_DISABLE_TELEMETRY=true PYTHONUNBUFFERED=1
unset MLFLOW_TRACKING_URI MLFLOW_RUN_ID

total=440 # seconds for all parts before the export
networks=(basic_cnn depth_3 resnet shallow_nn) few=(basic_cnn depth_3 resnet) twice=(basic_cnn resnet shallow_nn)
# All networks of the reports. The networks that take the longest to train come first.
models=(conv2d_6 conv2d_6_unpadded depth_2 cnn_32_64_128 frozen_encoder depth_3 resnet deeper_cnn basic_cnn wide_deep
  conv2d_5 conv2d_5_unpadded conv2d_4 conv2d_4_unpadded conv1d_3 conv1d_3_unpadded conv1d_2 conv1d_2_unpadded
  conv1d_1 conv1d_1_unpadded conv1d_baseline conv1d_baseline_unpadded shallow_nn)
images=19200 epochs=2 jobs=$((($(nproc) * 3 + 3) / 4))
if [ -n "$smoke" ]; then
  networks=(shallow_nn) few=(shallow_nn) twice=(shallow_nn)
  models=(random_forest) images=128 epochs=1 # the forest trains without TensorFlow, which saves time
fi

say() { echo "$*" | tee -a "$out/summary.txt"; }

# part NAME SECONDS COMMAND...: run a command in the project with a time limit.
part() {
  local name=$1 limit=$2 started=$SECONDS left=$((total - SECONDS)) status
  shift 2
  [ "$limit" -gt "$left" ] && limit=$left
  if [ "$limit" -lt 5 ]; then
    say "$(printf '%-14s skipped, because no time is left' "$name")"
    return
  fi
  printf '\n== %s: %s\n' "$name" "$*" >>"$out/log.txt"
  # In the background, so that Ctrl-C ends the script at once. The exit trap then ends the command.
  (cd "$project" && exec timeout --kill-after=5 "$limit" "$@") </dev/null >>"$out/log.txt" 2>&1 &
  child=$!
  wait "$child"
  status=$? child=''
  say "$(printf '%-14s exit status %3d, %3d s' "$name" "$status" $((SECONDS - started)))"
}

# Create the project with the settings and, if there is one, the split of this checkout.
prepare() {
  python -m lineup init "$project" || return
  if [ -n "$smoke" ]; then
    sed -i.bak -e 's/_images: .*/_images: 640/' -e 's/epochs: .*/epochs: 1/' -e 's/seeds: 2/seeds: 1/' "$project/params.yaml"
    return
  fi
  cp "$root/params.yaml" "$project"
  if [ -f "$root/data/splits/dataset.npz" ]; then
    mkdir -p "$project/data/splits" && cp "$root/data/splits/dataset.npz" "$project/data/splits"
  fi
}

# Print the names of all records: experiments, and single training runs such as basic_cnn_seed1.
record_names() {
  (cd "$project" && printf '%s\n' experiments/*/record.json runs/models/*/seed_*/record.json) |
    sed -n -e 's|^experiments/\([^*/]*\)/.*|\1|p' -e 's|^runs/models/\([^*/]*\)/seed_\([0-9]*\)/.*|\1_seed\2|p'
}

say "lineup $(git -C "$root" rev-parse --short HEAD 2>/dev/null || echo 'of an unknown commit'), $(python --version 2>&1)"
say "$(nvidia-smi -L 2>/dev/null || echo 'no NVIDIA GPU')"
prepare >>"$out/log.txt" 2>&1 || { say "no project: see log.txt" && exit 1; }
if command -v nvidia-smi >/dev/null; then
  nvidia-smi --query-gpu=timestamp,utilization.gpu,memory.used,power.draw --format=csv --loop=1 >"$out/gpu.csv" 2>&1 &
  monitor=$!
fi

if [ ! -f "$project/data/splits/dataset.npz" ]; then
  part download 60 python -m lineup download
  part split 30 python -m lineup split
fi
part doctor 30 python -m lineup doctor
part line-up 260 xargs -a <(printf '%s\n' "${models[@]}") -P "$jobs" -I{} python -m lineup train train@{}
torch=()
python -c 'import importlib.util, sys; sys.exit(not importlib.util.find_spec("torch"))' && torch=(torch_compile torch_eager)
part training 110 python "$root/benchmarks/training.py" --together --images "$images" --networks "${networks[@]}" \
  --variants lineup plain ${torch[@]+"${torch[@]}"} --results "$out/training"
part identical 60 python "$root/benchmarks/identical.py" --networks "${twice[@]}" --epochs "$epochs" \
  --results "$out/identical"
part precision 60 python "$root/benchmarks/training.py" --together --images "$images" --networks "${few[@]}" \
  --variants bf16 no_xla --results "$out/precision"
if grep -qs '"identical": "no"' "$out/identical.json"; then
  part deterministic 60 env XLA_FLAGS="${XLA_FLAGS:-} --xla_gpu_deterministic_ops=true" \
    python "$root/benchmarks/identical.py" --networks "${twice[@]}" --epochs "$epochs" --results "$out/deterministic"
fi

total=$((SECONDS + 25))
mapfile -t records < <(record_names)
if [ "${#records[@]}" -gt 0 ]; then
  part export 25 python -m lineup export "${records[@]}" --no-models --to "$out/records.zip"
fi
say "records: ${#records[@]}, total: $SECONDS s"
