//! What the API's JSON says, in and out.

use serde::Deserialize;
use serde_json::{Map, Number, Value, json};

use super::Refusal;
use crate::wire::frame::Protocol;
use crate::wire::proxy::Proxy;
use crate::wire::toxic::{
    Amount, Amounts, Bare, Direction, Field, Given, Kind, Per, Touched, Toxic,
};

/// A proxy as it is asked for, or what is to be otherwise about one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ProxyForm {
    pub(super) name: Option<String>,
    pub(super) listen: Option<String>,
    pub(super) upstream: Option<String>,
    pub(super) enabled: Option<bool>,
    pub(super) protocol: Option<String>,
}

/// The protocol of that name.
pub(super) fn protocol(name: &str) -> Result<Protocol, Refusal> {
    Protocol::named(name).ok_or_else(|| {
        let known = Protocol::ALL.map(Protocol::name).join(", ");
        Refusal::Bad(format!("unknown protocol {name:?}; expected one of {known}"))
    })
}

/// A toxic as it is asked for, or what is to be otherwise about one.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ToxicForm {
    name: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    stream: Option<String>,
    toxicity: Option<f64>,
    per: Option<String>,
    #[serde(rename = "match")]
    matching: Option<String>,
    attributes: Map<String, Value>,
}

impl ToxicForm {
    /// A new toxic. What is not said is as Toxiproxy has it: downstream, all connections, 0.
    pub(super) fn toxic(&self) -> Result<Toxic, Refusal> {
        let named = self.kind.as_deref().unwrap_or_default();
        let kind = Kind::named(named).ok_or_else(|| {
            let kinds = Kind::ALL.map(Kind::name).join(", ");
            Refusal::Bad(format!("invalid toxic type {named:?}; expected one of {kinds}"))
        })?;
        let stream = self.stream.as_deref().filter(|stream| !stream.is_empty());
        let stream = match stream {
            None => Direction::Downstream,
            Some(stream) => Direction::named(&stream.to_lowercase()).ok_or_else(|| {
                let expected = "can be either upstream, downstream or both";
                Refusal::Bad(format!("stream {stream:?} was invalid, {expected}"))
            })?,
        };
        let name = self.name.clone().filter(|name| !name.is_empty());
        let name = name.unwrap_or_else(|| format!("{}_{stream}", kind.name()));
        let (per, amounts) = (Per::Connection, Amounts::default());
        self.change(Toxic { name, kind, stream, toxicity: 1.0, per, amounts })
    }

    /// A toxic with what is said about it changed.
    pub(super) fn change(&self, mut toxic: Toxic) -> Result<Toxic, Refusal> {
        if let Some(toxicity) = self.toxicity {
            if !(0.0..=1.0).contains(&toxicity) {
                return Err(Refusal::Bad(format!("toxicity is {toxicity}; expected 0 to 1")));
            }
            toxic.toxicity = toxicity;
        }
        if self.per.is_some() || self.matching.is_some() {
            let per = self.per.as_deref().unwrap_or("request");
            toxic.per = Per::read(toxic.kind, per, self.matching.clone()).map_err(Refusal::Bad)?;
        }
        let fields = toxic.kind.fields();
        for (name, value) in &self.attributes {
            let field = fields.iter().find(|field| field.name == name);
            let field = field.ok_or_else(|| unknown(name, toxic.kind))?;
            toxic.amounts.set(field, read(field, value)?);
        }
        Ok(toxic)
    }
}

fn read(field: &Field, value: &Value) -> Result<Amount, Refusal> {
    let given = match value {
        Value::String(text) => Given::Text(text),
        other => Given::Number(other.as_f64().unwrap_or(f64::NAN)),
    };
    field.read(given, Bare::Toxiproxy).map_err(Refusal::Bad)
}

fn unknown(name: &str, kind: Kind) -> Refusal {
    let fields: Vec<_> = kind.fields().iter().map(|field| field.name).collect();
    let expected = match fields.as_slice() {
        [] => "it has none".to_owned(),
        fields => format!("expected {}", fields.join(", ")),
    };
    Refusal::Bad(format!("{} has no attribute {name:?}; {expected}", kind.name()))
}

pub(super) fn show_proxy(name: &str, proxy: &Proxy) -> Value {
    json!({
        "name": name,
        "listen": proxy.address().to_string(),
        "upstream": proxy.upstream(),
        "enabled": proxy.is_enabled(),
        "toxics": show_toxics(proxy),
    })
}

pub(super) fn show_toxics(proxy: &Proxy) -> Value {
    proxy.toxics().iter().map(|(toxic, touched)| show_toxic(toxic, *touched)).collect()
}

pub(super) fn show_toxic(toxic: &Toxic, touched: Touched) -> Value {
    json!({
        "name": toxic.name,
        "type": toxic.kind.name(),
        "stream": toxic.stream.to_string(),
        "toxicity": toxic.toxicity,
        "per": toxic.per.name(),
        "match": toxic.per.pattern(),
        "attributes": show_amounts(toxic),
        "touched": {
            "eligible": touched.eligible,
            "connections": touched.connections,
            "chunks": touched.chunks,
            "bytes": touched.bytes,
        },
    })
}

/// Every attribute: a number in Toxiproxy's unit, 0 where none was given, or a word.
fn show_amounts(toxic: &Toxic) -> Map<String, Value> {
    let show = |field: &Field| {
        let value = match toxic.amounts.find(field) {
            None => field.default_word().map_or(Value::from(0), Value::from),
            Some(amount) => match amount.bare(field.quantity) {
                Some(number) => show_number(number),
                None => Value::from(amount.to_string()),
            },
        };
        (field.name.to_owned(), value)
    };
    toxic.kind.fields().iter().map(show).collect()
}

/// A whole number as one: typed clients read integers.
fn show_number(number: f64) -> Value {
    let rounded = number.round();
    if (rounded - number).abs() < 1e-6 && rounded < 1e15 {
        return Value::from(rounded as u64);
    }
    Number::from_f64(number).map_or(Value::Null, Value::Number)
}
