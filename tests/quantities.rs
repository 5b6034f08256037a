//! Quantities and durations against what apimachinery 1.36 made of the same inputs.
//!
//! The recordings lie beside the repository; where they are missing the tests say so and pass.

use jiff::SignedDuration;
use podsim::api::{Quantity, QuantityFormat, human_duration, short_human_duration};
use serde_json::Value;
use std::fs;
use std::path::Path;

fn recorded(name: &str) -> Vec<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = ["../shared", "../../shared"].map(|up| root.join(up).join("conformance/kubectl-1.36").join(name));
    let Some(text) = path.iter().find_map(|p| fs::read_to_string(p).ok()) else {
        eprintln!("skipped: {} is not there", path[0].display());
        return Vec::new();
    };
    serde_json::from_str(&text).expect("the recordings are JSON")
}

fn format_name(format: QuantityFormat) -> &'static str {
    match format {
        QuantityFormat::BinarySI => "BinarySI",
        QuantityFormat::DecimalSI => "DecimalSI",
        QuantityFormat::DecimalExponent => "DecimalExponent",
    }
}

#[test]
fn quantities_are_read_and_written_as_recorded() {
    for case in recorded("quantities.json") {
        let input = &case["input"];
        match Quantity::from_json(input) {
            Ok(q) => {
                let ours = serde_json::json!({
                    "input": input, "canonical": q.to_string(), "string": q.to_string(), "sign": q.sign(),
                    "value": q.value().to_string(), "milliValue": q.milli_value().to_string(),
                    "format": format_name(q.format()),
                });
                assert_eq!(ours, case);
            }
            Err(error) => assert_eq!(case["error"], error.to_string(), "{input}"),
        }
        if let (Some(error), Value::String(text)) = (case["parse_error"].as_str(), input) {
            assert_eq!(text.parse::<Quantity>().map_err(|e| e.to_string()), Err(error.to_owned()));
        }
    }
}

#[test]
fn quantities_add_up_as_recorded() {
    for case in recorded("quantity-sums.json") {
        let mut total = Quantity::ZERO;
        for part in case["add"].as_array().expect("a list to add") {
            total.add(&Quantity::from_json(part).expect("a quantity"));
        }
        assert_eq!(case["sum"], total.to_string(), "{case}");
    }
}

#[test]
fn durations_are_written_as_recorded() {
    for case in recorded("durations.json") {
        let duration = SignedDuration::from_millis(case["ms"].as_i64().expect("milliseconds"));
        assert_eq!(case["human"], human_duration(duration), "{case}");
        assert_eq!(case["short"], short_human_duration(duration), "{case}");
    }
}
