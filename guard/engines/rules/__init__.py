"""The embedded engine's rules, a module a subject. Tuned on tests/guard/detection/tuning.jsonl and on nothing else."""
