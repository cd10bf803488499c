//! The rules of the linter against their pages, and against public code that others labelled.

#[cfg(test)]
mod lint_code;
