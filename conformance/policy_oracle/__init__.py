"""A second reading of OCI's policy language, written from the documents only.

It shares nothing with the Rust code, not even a table, so that a mistake has to be made twice to go unseen. It is
slow and plain on purpose: every statement is tried on every permission.
"""
