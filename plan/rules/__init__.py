"""Named rules over a plan: what must hold of every stack, who may waive it, and how a broken one is reported.

Every rule has an id, a severity, a reason, a remedy and a source, and runs over `plan.graph`: the offline plan and the
engine's real preview (`policy_pack/`) alike. `evaluate` runs them; a rule that fails to run is an error, never a pass.
"""
