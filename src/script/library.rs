//! lib-lua, embedded: a script that requires it runs wherever the binary does, and its types can be
//! laid beside a script for an editor.

/// Name and text of every file of lib-lua that scripts can require.
pub const LIBRARY: &[(&str, &str)] = &[
    ("backoff", include_str!("../../lib-lua/backoff.lua")),
    ("breaker", include_str!("../../lib-lua/breaker.lua")),
    ("feeder", include_str!("../../lib-lua/feeder.lua")),
    ("options", include_str!("../../lib-lua/options.lua")),
    ("pacing", include_str!("../../lib-lua/pacing.lua")),
    ("pick", include_str!("../../lib-lua/pick.lua")),
    ("twilio", include_str!("../../lib-lua/twilio.lua")),
];

/// Name and text of every file of types.
pub const TYPES: &[(&str, &str)] = &[
    ("check", include_str!("../../lib-lua/types/check.lua")),
    ("crypto", include_str!("../../lib-lua/types/crypto.lua")),
    ("data", include_str!("../../lib-lua/types/data.lua")),
    ("fault", include_str!("../../lib-lua/types/fault.lua")),
    ("http", include_str!("../../lib-lua/types/http.lua")),
    ("json", include_str!("../../lib-lua/types/json.lua")),
    ("ledger", include_str!("../../lib-lua/types/ledger.lua")),
    ("listen", include_str!("../../lib-lua/types/listen.lua")),
    ("log", include_str!("../../lib-lua/types/log.lua")),
    ("metric", include_str!("../../lib-lua/types/metric.lua")),
    ("parallel", include_str!("../../lib-lua/types/parallel.lua")),
    ("param", include_str!("../../lib-lua/types/param.lua")),
    ("process", include_str!("../../lib-lua/types/process.lua")),
    ("rand", include_str!("../../lib-lua/types/rand.lua")),
    ("recovery", include_str!("../../lib-lua/types/recovery.lua")),
    ("redis", include_str!("../../lib-lua/types/redis.lua")),
    ("sandbox", include_str!("../../lib-lua/types/sandbox.lua")),
    ("script", include_str!("../../lib-lua/types/script.lua")),
    ("service", include_str!("../../lib-lua/types/service.lua")),
    ("shared", include_str!("../../lib-lua/types/shared.lua")),
    ("sql", include_str!("../../lib-lua/types/sql.lua")),
    ("time", include_str!("../../lib-lua/types/time.lua")),
];
