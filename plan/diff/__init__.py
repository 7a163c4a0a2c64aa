"""The semantic difference of two revisions of a project's stack files, and its renderers.

`compare.compare` reads both revisions as data and returns a `model.Report`; `markdown`, `html`, `mermaid` and
`model.document` (JSON) render it. What a change means is decided in `semantic`, one module for each subject. A change counts
as loosening unless another meaning is proven, so a key that Ringwall does not know loosens.
"""
