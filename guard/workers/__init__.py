"""Several processes that serve one guard's port: what each does by itself, and what all of them share.

`supervisor` starts them and puts others in the place of those that end. `hub` is the process that holds what must be one
for all: the configuration's source, budgets, taint, consents, the operator's port. `worker` is one that serves.
"""
