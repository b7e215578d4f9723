//! Targets that call back.

use super::run;

/// Webhooks into the practice target, which calls back; `answer` is what the script answers.
fn script(answer: &str) -> String {
    format!(
        r#"
        local http = require "loadrun.http"
        local ledger = require "loadrun.ledger"
        local listen = require "loadrun.listen"
        local sandbox = require "loadrun.sandbox"
        local shared = require "loadrun.shared"
        local time = require "loadrun.time"
        local twilio = require "twilio"
        local book = ledger.new("calls", {{ late = "30s" }})
        local calls = shared.counter "calls"
        local hooks = listen.http {{ run = function(request)
          calls:add(1)
          {answer}
        end }}
        local target = sandbox.start {{ callback = hooks }}
        local service = http.client {{ base = target }}
        return {{
          scenarios = {{ s = {{ iterations = 40, run = function(vu)
            local message = twilio.message(vu.rand, {{}})
            book:expect(message.MessageSid)
            local address = target.url .. "/webhook"
            local reply = service:post("/webhook",
              twilio.webhook {{ url = address, token = "practice-token", message = message }})
            if not reply.error then book:acked(message.MessageSid) end
            if vu.iteration == 40 then
              for _ = 1, 200 do
                if calls:value() >= 41 or book:balance().lost == 0 then break end
                time.sleep("50ms")
              end
            end
          end }} }},
          thresholds = {{ "ledger.lost count == 0", "ledger.landing max < 30s" }},
        }}
        "#
    )
}

#[test]
fn what_a_target_sends_back_lands_in_the_ledger_with_the_time_it_took() {
    // The first is told to come again.
    let answer = r#"book:seen(request.form.MessageSid)
          if calls:value() == 1 then return { status = 503, body = "again", delay = "10ms" } end
          return { json = { ok = true }, headers = { ["x-by"] = "script" } }"#;
    let (output, outcome) = run(&script(answer), &["--quiet"]);
    let told = String::from_utf8_lossy(&output.stdout);
    let balance = &outcome["ledgers"]["calls"];
    assert_eq!((&balance["acked"], &balance["lost"]), (&40.into(), &0.into()), "{told}");
    assert_eq!((&balance["late"], &balance["unexpected"]), (&0.into(), &0.into()), "{told}");
    assert!(balance["slowest_landing"].as_f64().unwrap() > 0.0, "{told}");
    let series = outcome["series"].as_array().unwrap();
    let landing = series.iter().find(|series| series["metric"] == "ledger.landing").unwrap();
    assert_eq!(landing["total"]["trend"]["count"], 40, "{told}");
    assert_eq!(output.status.code(), Some(0), "{told}");
}

#[test]
fn an_answer_that_is_none_is_an_error_of_the_script_at_its_line() {
    let answer = "book:seen(request.form.MessageSid) return request.nothing.at.all";
    let (output, outcome) = run(&script(answer), &["--quiet"]);
    let error = &outcome["script_errors"][0];
    assert_eq!(error["scenario"], "listener", "{outcome}");
    assert_eq!(error["place"]["line"], 13, "{error}");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("attempt to index a nil value"), "{told}");
}
