"""The semantic difference of two revisions of a project's stack files, and its renderers.

`compare.compare` reads both sides as data and gives a `model.Report`; `markdown`, `html`, `mermaid` and
`model.document` (JSON) show it. What a change means is decided in `semantic`, one module a subject, and is never shown as
neutral unless that is proven: an unknown key loosens.
"""
