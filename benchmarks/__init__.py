"""Benchmarks, for airspeed velocity (asv) and by hand.

Once, in an environment with the package and what it is compared with (libraries that are not there are skipped)::

    pip install ".[bench]"
    asv machine --yes

Then, in the root of the repository::

    asv run --quick --python=same                               # every benchmark once; nothing is kept
    asv run --python=same --bench neuron                        # the benchmarks whose names match
    asv run --python=same --set-commit-hash=$(git rev-parse HEAD)   # results kept under .asv, of this commit
    asv run v0.1.0..main                                        # each commit in an environment of its own
    asv publish && asv preview                                  # kept results as pages
    python -m benchmarks.peers                                  # the comparison with other libraries, as a table

asv hides PYTHONPATH from what it runs; to measure a checkout that is not installed, set ASV_PYTHONPATH to its root.

Absolute times move with the machine, its neighbours and the hour. What has to hold is stated as ratios, and those
are measured in turns in one process.
"""
