//! A read-only look at plain data from Lua, without copying it into the Lua state.
//!
//! Indexing makes one small Lua value: a scalar, or another view for a list or map inside. `#`,
//! `ipairs`, `pairs`, `table.unpack`, `table.concat` and `==` work as on a table.

use std::cell::Cell;

use mlua::{Lua, MetaMethod, UserData, UserDataMethods, Value};

use super::Plain;

/// The userdata through which a script reads a list or map that belongs to the whole process.
#[derive(Clone, Debug)]
pub struct View(Plain);

impl View {
    /// A Lua value for the data: a view of a list or map, else the value itself.
    pub fn of(lua: &Lua, plain: &Plain) -> mlua::Result<Value> {
        match plain {
            Plain::List(_) | Plain::Map(_) => {
                lua.create_userdata(View(plain.clone())).map(Value::UserData)
            }
            scalar => scalar.write(lua),
        }
    }

    /// What is looked at.
    pub fn plain(&self) -> &Plain {
        &self.0
    }

    /// How many items or entries there are.
    pub fn len(&self) -> usize {
        match &self.0 {
            Plain::List(items) => items.len(),
            Plain::Map(entries) => entries.len(),
            _ => 0,
        }
    }

    /// Whether there is nothing to see.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The item at a Lua index, 1 the first.
    pub fn item(&self, index: i64) -> Option<&Plain> {
        match &self.0 {
            Plain::List(items) => items.get(usize::try_from(index.checked_sub(1)?).ok()?),
            _ => None,
        }
    }

    fn find(&self, key: &Value) -> Option<&Plain> {
        match &self.0 {
            Plain::List(_) => self.item(key.as_integer()?),
            Plain::Map(entries) => entries.find(&Plain::read(key).ok()?),
            _ => None,
        }
    }

    /// The n-th key and value in order, 0 the first.
    fn nth(&self, lua: &Lua, at: usize) -> mlua::Result<(Value, Value)> {
        match &self.0 {
            Plain::List(items) if at < items.len() => {
                Ok((Value::Integer(at.cast_signed() as i64 + 1), View::of(lua, &items[at])?))
            }
            Plain::Map(entries) => match entries.iter().nth(at) {
                Some((key, item)) => Ok((key.write(lua)?, View::of(lua, item)?)),
                None => Ok((Value::Nil, Value::Nil)),
            },
            _ => Ok((Value::Nil, Value::Nil)),
        }
    }
}

impl UserData for View {
    fn add_methods<M: UserDataMethods<Self>>(methods: &mut M) {
        methods.add_meta_method(MetaMethod::Index, |lua, this, key: Value| {
            this.find(&key).map_or(Ok(Value::Nil), |found| View::of(lua, found))
        });
        methods.add_meta_method(MetaMethod::NewIndex, |_, _, _: (Value, Value)| {
            Err::<(), _>(mlua::Error::runtime("data is read-only: every user sees the same"))
        });
        methods.add_meta_method(MetaMethod::Len, |_, this, ()| Ok(this.len()));
        methods.add_meta_method(MetaMethod::Eq, |_, this, other: Value| {
            let other = other.as_userdata().and_then(|data| data.borrow::<View>().ok());
            Ok(other.is_some_and(|other| other.0 == this.0))
        });
        methods.add_meta_method(MetaMethod::ToString, |_, this, ()| {
            Ok(format!("data: {} of {}", this.0.kind(), this.len()))
        });
        methods.add_meta_method(MetaMethod::Pairs, |lua, this, ()| {
            let (view, next) = (this.clone(), Cell::new(0));
            lua.create_function(move |lua, _: (Value, Value)| {
                view.nth(lua, next.replace(next.get() + 1))
            })
        });
    }
}
