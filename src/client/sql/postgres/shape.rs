//! What a type of PostgreSQL is on the wire: the few forms that values have, whatever the type is
//! called.

use sqlx::TypeInfo;
use sqlx::postgres::{PgTypeInfo, PgTypeKind};

/// How the values of a type are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Bool,
    /// An integer of so many bytes.
    Integer(usize),
    /// An unsigned number of an object of the server's own.
    Oid,
    Float4,
    Float8,
    Numeric,
    /// Text, names, enums.
    Text,
    Bytes,
    Uuid,
    /// `json`, or `jsonb` with its version in front.
    Json {
        binary: bool,
    },
    Date,
    Time,
    ZonedTime,
    Timestamp {
        zoned: bool,
    },
    Interval,
    /// An array of a type with this number.
    Array {
        of: Box<Shape>,
        oid: u32,
    },
    /// A function's nothing.
    Void,
    /// A type whose binary form we do not know, by its name.
    Unknown(String),
}

impl Shape {
    /// The shape of a type.
    pub(super) fn of(info: &PgTypeInfo) -> Self {
        if let Some(shape) = info.oid().and_then(|oid| Self::builtin(oid.0)) {
            return shape;
        }
        match info.kind() {
            PgTypeKind::Domain(base) => Self::of(base),
            PgTypeKind::Enum(_) => Self::Text,
            PgTypeKind::Array(item) => {
                Self::Array { of: Box::new(Self::of(item)), oid: item.oid().map_or(0, |oid| oid.0) }
            }
            _ if info.name().eq_ignore_ascii_case("citext") => Self::Text,
            _ => Self::Unknown(info.name().to_lowercase()),
        }
    }

    /// The types whose numbers are the same in every server.
    fn builtin(oid: u32) -> Option<Self> {
        Some(match oid {
            16 => Self::Bool,
            17 => Self::Bytes,
            18 | 19 | 25 | 142 | 705 | 1042 | 1043 => Self::Text,
            20 => Self::Integer(8),
            21 => Self::Integer(2),
            23 => Self::Integer(4),
            26 => Self::Oid,
            114 => Self::Json { binary: false },
            3802 => Self::Json { binary: true },
            700 => Self::Float4,
            701 => Self::Float8,
            1082 => Self::Date,
            1083 => Self::Time,
            1114 => Self::Timestamp { zoned: false },
            1184 => Self::Timestamp { zoned: true },
            1186 => Self::Interval,
            1266 => Self::ZonedTime,
            1700 => Self::Numeric,
            2278 => Self::Void,
            2950 => Self::Uuid,
            _ => return None,
        })
    }

    /// The type as SQL names it, for messages.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Bool => "boolean",
            Self::Integer(2) => "smallint",
            Self::Integer(4) => "integer",
            Self::Integer(_) => "bigint",
            Self::Oid => "oid",
            Self::Float4 => "real",
            Self::Float8 => "double precision",
            Self::Numeric => "numeric",
            Self::Text => "text",
            Self::Bytes => "bytea",
            Self::Uuid => "uuid",
            Self::Json { binary: false } => "json",
            Self::Json { binary: true } => "jsonb",
            Self::Date => "date",
            Self::Time => "time",
            Self::ZonedTime => "time with time zone",
            Self::Timestamp { zoned: false } => "timestamp",
            Self::Timestamp { zoned: true } => "timestamp with time zone",
            Self::Interval => "interval",
            Self::Array { of, .. } => return format!("{}[]", of.name()),
            Self::Void => "void",
            Self::Unknown(name) => name,
        }
        .to_owned()
    }
}
