"""What a change of a setting means, one module a subject.

`keys.TABLES` has an entry for every key of every manifest; a key without one counts as loosening.
"""
