//! What the service sends by itself: a status callback for each message it has stored, as Twilio
//! sends them.
//!
//! A callback is a form with `MessageSid` and `MessageStatus`, sent after the message was
//! acknowledged. One that is not answered with a 2xx is sent again, so whoever receives them sees
//! each message at least once, and now and then twice.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use tokio::time::sleep;

/// How often one message's callback is tried.
const TRIES: u32 = 4;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// The pause before the second try; doubled before each further one.
const PAUSE: Duration = Duration::from_millis(200);

/// Sends callbacks to one address.
#[derive(Clone, Debug)]
pub(super) struct Callback {
    client: reqwest::Client,
    url: String,
}

impl Callback {
    /// One to this address, if it is one.
    pub(super) fn to(url: &str) -> Result<Self, String> {
        let parsed = url::Url::parse(url).map_err(|error| format!("{url:?}: {error}"))?;
        if parsed.scheme() != "http" {
            return Err(format!("{url:?}: expected http://host:port/path"));
        }
        let client = reqwest::Client::builder().timeout(PATIENCE).build();
        let client = client.map_err(|error| error.to_string())?;
        Ok(Self { client, url: url.to_owned() })
    }

    /// Sends the callback of a message, in the background.
    pub(super) fn send(&self, sid: &str) {
        let (callback, form) = (self.clone(), form(sid));
        tokio::spawn(async move { callback.deliver(form).await });
    }

    async fn deliver(&self, form: String) {
        let mut pause = PAUSE;
        for attempt in 1..=TRIES {
            let request = self.client.post(&self.url).body(form.clone());
            let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
            if request.send().await.is_ok_and(|reply| reply.status().is_success()) {
                return;
            }
            if attempt < TRIES {
                sleep(pause).await;
                pause *= 2;
            }
        }
    }
}

fn form(sid: &str) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("MessageSid", sid).append_pair("MessageStatus", "delivered").finish()
}
