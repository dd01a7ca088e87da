#!/usr/bin/env bash
# Runs every shipped study on the digits and, where $NSH_DATA holds them, on CIFAR-10 features, and reports on them:
# results/reference/ and reports/reference/. Run again, it goes on where it stopped. Usage: scripts/reference.sh
set -euo pipefail
cd "$(dirname "$0")/.."
py=.venv/bin/python
export NSH_DATA=${NSH_DATA:-data}
features=cifar10_mobilenetv2.npz

study() { # name, then options of study/run.py that study/report.py knows too; RUN: options of study/run.py alone
    $py study/run.py --study "$@" ${RUN:-} --results results/reference
    $py study/report.py --study "$@" --results results/reference --reports reports/reference
}
on_features() { study "$@" --dataset "features:$features"; }

start=$SECONDS
RUN="--arms core --trials 5" study paper_table
study sorter_ablation
RUN="--trials 10 --tune-each-seed" study sorter_ablation --mode tuned
study loss_terms
study code_length
study selection
RUN="--seeds 2" study temperature
study label_free
study around_optimum
study pareto
study transfer
study as_published
study nested
study first_ranks --mode grid
study swaps --mode grid
echo "digits: $((SECONDS - start)) s"

if [ ! -f "$NSH_DATA/$features" ]; then
    echo "no $features in $NSH_DATA (set NSH_DATA to its folder): CIFAR-10 is left out" >&2
    exit 0
fi
start=$SECONDS
RUN="--arms core --trials 5 --seeds 5" on_features paper_table --set train.epochs=15 --set train.batch_size=128
on_features sorter_ablation
RUN="--trials 5 --tune-each-seed" on_features sorter_ablation --mode tuned
on_features loss_terms --set train.epochs=5
RUN="--seeds 3" on_features code_length --set train.epochs=5
RUN="--seeds 2" on_features selection --set train.epochs=5
RUN="--seeds 1" on_features temperature --set train.epochs=5
RUN="--seeds 1" on_features label_free --set train.epochs=5
on_features transfer --set train.epochs=10 --set train.evaluate_every=10
on_features as_published
$py study/report.py --study sorter_ablation --across sorter_ablation@cifar10_mobilenetv2-ced1 \
    --results results/reference --reports reports/reference
echo "CIFAR-10 features: $((SECONDS - start)) s"
