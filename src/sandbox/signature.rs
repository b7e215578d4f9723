//! Twilio's request signature, checked as the documentation of Twilio describes it.
//!
//! The full URL as the sender wrote it, then every form parameter's name and value with nothing
//! between them, in the order of the names; HMAC-SHA1 of that keyed with the auth token, in
//! base64. A repeated pair counts once, as in Twilio's own libraries.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

/// What `X-Twilio-Signature` has to say for a form sent to `url`.
pub fn sign(token: &str, url: &str, form: &[(String, String)]) -> String {
    STANDARD.encode(mac(token, url, form).finalize().into_bytes())
}

/// Whether `signature` is the one for this form; the comparison takes the same time wherever it
/// fails.
pub fn accepts(token: &str, url: &str, form: &[(String, String)], signature: &str) -> bool {
    STANDARD.decode(signature).is_ok_and(|bytes| mac(token, url, form).verify_slice(&bytes).is_ok())
}

fn mac(token: &str, url: &str, form: &[(String, String)]) -> Hmac<Sha1> {
    let mut pairs: Vec<&(String, String)> = form.iter().collect();
    pairs.sort_unstable();
    pairs.dedup();
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    let mut mac = Hmac::<Sha1>::new_from_slice(token.as_bytes()).expect("any key length");
    mac.update(url.as_bytes());
    for (name, value) in pairs {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of Twilio's documentation ("Validating Signatures from Twilio"). Computed by
    /// another path as well:
    ///
    /// ```text
    /// python3 -c "import hmac,base64;print(base64.b64encode(hmac.new(b'12345',
    ///   b'https://mycompany.com/myapp.php?foo=1&bar=2CallSidCA1234567890ABCDECaller+14158675309'
    ///   b'Digits1234From+14158675309To+18005551212','sha1').digest()).decode())"
    /// ```
    const DOCUMENTED: &str = "RSOYDt4T1cUTdK1PDd93/VVr8B8=";
    const URL: &str = "https://mycompany.com/myapp.php?foo=1&bar=2";

    fn form() -> Vec<(String, String)> {
        [
            ("To", "+18005551212"),
            ("CallSid", "CA1234567890ABCDE"),
            ("From", "+14158675309"),
            ("Digits", "1234"),
            ("Caller", "+14158675309"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    #[test]
    fn the_documented_example_has_the_documented_signature() {
        assert_eq!(sign("12345", URL, &form()), DOCUMENTED);
        assert!(accepts("12345", URL, &form(), DOCUMENTED));
    }

    #[test]
    fn a_signature_fits_only_its_own_token_url_and_form() {
        assert!(!accepts("12346", URL, &form(), DOCUMENTED));
        assert!(!accepts("12345", "https://mycompany.com/myapp.php", &form(), DOCUMENTED));
        let mut other = form();
        other[0].1.push('3');
        assert!(!accepts("12345", URL, &other, DOCUMENTED));
    }

    #[test]
    fn what_is_no_base64_is_no_signature() {
        for text in ["", "!", "RSOYDt4T1cUTdK1PDd93/VVr8B8", "RSOYDt4T1cUTdK1PDd93"] {
            assert!(!accepts("12345", URL, &form(), text), "{text:?}");
        }
    }
}
