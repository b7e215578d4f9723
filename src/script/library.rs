//! lib-lua, embedded: a script that requires it runs wherever the binary does.

/// Name and text of every file of lib-lua that scripts can require.
pub(super) const LIBRARY: &[(&str, &str)] = &[];
