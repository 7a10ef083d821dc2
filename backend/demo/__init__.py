"""The whole system on real parts: `python -m demo`, which `scripts/demo` calls."""
