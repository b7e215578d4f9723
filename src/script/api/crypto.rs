//! `loadrun.crypto`: digests, keyed digests, base64 and hex, for signing what is sent.
//!
//! A digest comes out as lower-case hex unless another encoding is asked for: `"hex"`, `"base64"`,
//! `"base64url"` (no padding) or `"raw"` (the bytes). Decoding takes standard and url-safe base64
//! with or without padding; text that is neither raises.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose};
use hmac::{Hmac, KeyInit, Mac};
use mlua::{Lua, Value};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::super::call::Call;
use super::super::options;

/// What a script can call.
pub const FUNCTIONS: &[&str] = &[
    "base64_decode",
    "base64_encode",
    "base64url_decode",
    "base64url_encode",
    "hex_decode",
    "hex_encode",
    "hmac",
    "sha1",
    "sha256",
];

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// The module table.
pub fn module(lua: &Lua) -> mlua::Result<Value> {
    let table = lua.create_table()?;
    table.set("sha1", digest::<Sha1>(lua, "crypto.sha1")?)?;
    table.set("sha256", digest::<Sha256>(lua, "crypto.sha256")?)?;
    table.set("hmac", lua.create_function(keyed_digest)?)?;
    table.set(
        "base64_encode",
        encoder(lua, "crypto.base64_encode", |data| general_purpose::STANDARD.encode(data))?,
    )?;
    table.set(
        "base64url_encode",
        encoder(lua, "crypto.base64url_encode", |data| {
            general_purpose::URL_SAFE_NO_PAD.encode(data)
        })?,
    )?;
    table.set("hex_encode", encoder(lua, "crypto.hex_encode", |data| hex::encode(data))?)?;
    table.set(
        "base64_decode",
        decoder(lua, "crypto.base64_decode", |text| {
            STANDARD.decode(text).map_err(|error| error.to_string())
        })?,
    )?;
    table.set(
        "base64url_decode",
        decoder(lua, "crypto.base64url_decode", |text| {
            URL_SAFE.decode(text).map_err(|error| error.to_string())
        })?,
    )?;
    table.set(
        "hex_decode",
        decoder(lua, "crypto.hex_decode", |text| {
            hex::decode(text).map_err(|error| error.to_string())
        })?,
    )?;
    Ok(Value::Table(table))
}

/// How the bytes of a digest are handed to the script.
#[derive(Clone, Copy)]
enum Encoding {
    Hex,
    Base64,
    Base64Url,
    Raw,
}

impl Encoding {
    const FORMS: &str = "expected \"hex\", \"base64\", \"base64url\" or \"raw\"";

    /// The encoding a script asked for; hex when it did not.
    fn read(value: &Value) -> Result<Self, String> {
        let wrong = || format!("{}, got {}", Self::FORMS, options::shown(value));
        match value {
            Value::Nil => Ok(Self::Hex),
            Value::String(name) => match &*name.as_bytes() {
                b"hex" => Ok(Self::Hex),
                b"base64" => Ok(Self::Base64),
                b"base64url" => Ok(Self::Base64Url),
                b"raw" => Ok(Self::Raw),
                _ => Err(wrong()),
            },
            _ => Err(wrong()),
        }
    }

    fn write(self, lua: &Lua, digest: &[u8]) -> mlua::Result<Value> {
        let text = match self {
            Self::Hex => lua.create_string(hex::encode(digest)),
            Self::Base64 => lua.create_string(general_purpose::STANDARD.encode(digest)),
            Self::Base64Url => lua.create_string(general_purpose::URL_SAFE_NO_PAD.encode(digest)),
            Self::Raw => lua.create_string(digest),
        };
        text.map(Value::String)
    }
}

fn digest<D: Digest + 'static>(lua: &Lua, name: &'static str) -> mlua::Result<mlua::Function> {
    lua.create_function(move |lua, (data, encoding): (Value, Value)| {
        let call = Call::new(lua, name);
        let data = call.takes("data", options::bytes(&data))?;
        let encoding = call.takes("encoding", Encoding::read(&encoding))?;
        encoding.write(lua, &D::digest(data))
    })
}

fn keyed_digest(
    lua: &Lua,
    (algorithm, key, data, encoding): (Value, Value, Value, Value),
) -> mlua::Result<Value> {
    let call = Call::new(lua, "crypto.hmac");
    let algorithm = call.takes("algorithm", options::string(&algorithm))?;
    let key = call.takes("key", options::bytes(&key))?;
    let data = call.takes("data", options::bytes(&data))?;
    let encoding = call.takes("encoding", Encoding::read(&encoding))?;
    // A key of any length is a key for HMAC.
    let code = match algorithm.as_str() {
        "sha1" => Hmac::<Sha1>::new_from_slice(&key)
            .map(|mac| mac.chain_update(&data).finalize().into_bytes().to_vec()),
        "sha256" => Hmac::<Sha256>::new_from_slice(&key)
            .map(|mac| mac.chain_update(&data).finalize().into_bytes().to_vec()),
        other => {
            let expected = "expected \"sha1\" or \"sha256\"";
            return Err(call.wrong(format!("algorithm: {expected}, got {other:?}")));
        }
    };
    encoding.write(lua, &code.map_err(|error| call.wrong(error))?)
}

fn encoder(
    lua: &Lua,
    name: &'static str,
    encode: fn(&[u8]) -> String,
) -> mlua::Result<mlua::Function> {
    lua.create_function(move |lua, data: Value| {
        let data = Call::new(lua, name).takes("data", options::bytes(&data))?;
        lua.create_string(encode(&data))
    })
}

fn decoder(
    lua: &Lua,
    name: &'static str,
    decode: fn(&[u8]) -> Result<Vec<u8>, String>,
) -> mlua::Result<mlua::Function> {
    lua.create_function(move |lua, text: Value| {
        let call = Call::new(lua, name);
        let text = call.takes("text", options::bytes(&text))?;
        lua.create_string(call.takes("text", decode(&text))?)
    })
}

#[cfg(test)]
mod tests {
    use mlua::Lua;

    fn eval(code: &str) -> Result<String, String> {
        let lua = Lua::new();
        lua.globals().set("crypto", super::module(&lua).unwrap()).unwrap();
        lua.load(code).eval().map_err(|error| error.to_string())
    }

    #[test]
    fn digests_agree_with_fips_180() {
        let cases = [
            ("sha1('abc')", "a9993e364706816aba3e25717850c26c9cd0d89d"),
            ("sha1('')", "da39a3ee5e6b4b0d3255bfef95601890afd80709"),
            ("sha256('abc')", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            ("sha256('abc', 'base64')", "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0="),
            ("sha256('abc', 'base64url')", "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0"),
        ];
        for (call, expected) in cases {
            assert_eq!(eval(&format!("return crypto.{call}")).unwrap(), expected, "{call}");
        }
        assert_eq!(eval("return #crypto.sha1('abc', 'raw')").unwrap(), "20");
    }

    #[test]
    fn keyed_digests_agree_with_rfc_2202_and_4231() {
        let cases = [
            ("'sha1', ('\\x0b'):rep(20), 'Hi There'", "b617318655057264e28bc0b6fb378c8ef146be00"),
            (
                "'sha1', 'Jefe', 'what do ya want for nothing?'",
                "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
            ),
            (
                "'sha1', ('\\xaa'):rep(80), 'Test Using Larger Than Block-Size Key - Hash Key First'",
                "aa4ae5e15272d00e95705637ce8a3b55ed402112",
            ),
            (
                "'sha256', ('\\x0b'):rep(20), 'Hi There'",
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            ),
            (
                "'sha256', 'Jefe', 'what do ya want for nothing?'",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                "'sha256', ('\\xaa'):rep(131), \
                 'Test Using Larger Than Block-Size Key - Hash Key First'",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ];
        for (arguments, expected) in cases {
            let code = format!("return crypto.hmac({arguments})");
            assert_eq!(eval(&code).unwrap(), expected, "{arguments}");
        }
    }

    #[test]
    fn base64_agrees_with_rfc_4648_in_both_directions() {
        let cases = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ];
        for (plain, coded) in cases {
            let code = format!("return crypto.base64_encode('{plain}')");
            assert_eq!(eval(&code).unwrap(), coded);
            let code = format!("return crypto.base64_decode('{coded}')");
            assert_eq!(eval(&code).unwrap(), plain);
            let bare = coded.trim_end_matches('=');
            let code = format!("return crypto.base64url_decode('{bare}')");
            assert_eq!(eval(&code).unwrap(), plain);
        }
        assert_eq!(eval("return crypto.base64url_encode('\\xfb\\xff')").unwrap(), "-_8");
        assert_eq!(eval("return crypto.base64_encode('\\xfb\\xff')").unwrap(), "+/8=");
    }

    #[test]
    fn hex_goes_both_ways_and_takes_any_letter_case() {
        assert_eq!(eval("return crypto.hex_encode('\\x00\\xffA')").unwrap(), "00ff41");
        assert_eq!(eval("return crypto.hex_decode('4C6f')").unwrap(), "Lo");
    }

    #[test]
    fn wrong_arguments_say_what_was_expected() {
        let cases = [
            ("sha1(nil)", "crypto.sha1: data: expected a string, got nil"),
            ("sha256('a', 'hexx')", "encoding: expected \"hex\", \"base64\", \"base64url\" or"),
            ("hmac('md5', 'k', 'd')", "crypto.hmac: algorithm: expected \"sha1\" or \"sha256\""),
            ("hmac('sha1', {}, 'd')", "crypto.hmac: key: expected a string, got a table"),
            ("hex_decode('abc')", "crypto.hex_decode: text: Odd number of digits"),
            ("base64_decode('a$b=')", "crypto.base64_decode: text: Invalid symbol 36, offset 1"),
        ];
        for (call, expected) in cases {
            let error = eval(&format!("return crypto.{call}")).unwrap_err();
            assert!(error.contains(expected), "{call}: {error}");
        }
    }
}
