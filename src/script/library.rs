//! lib-lua, embedded: a script that requires it runs wherever the binary does.

/// Name and text of every file of lib-lua that scripts can require.
pub(super) const LIBRARY: &[(&str, &str)] = &[
    ("backoff", include_str!("../../lib-lua/backoff.lua")),
    ("breaker", include_str!("../../lib-lua/breaker.lua")),
    ("feeder", include_str!("../../lib-lua/feeder.lua")),
    ("pacing", include_str!("../../lib-lua/pacing.lua")),
    ("pick", include_str!("../../lib-lua/pick.lua")),
    ("twilio", include_str!("../../lib-lua/twilio.lua")),
];
