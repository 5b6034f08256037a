//! What is wrong with the requirement of a node selector, in the words of apimachinery.
//!
//! Follows `apimachinery/pkg/labels/selector.go` (`NewRequirement`) and `pkg/util/validation` of 1.36. The API server
//! lets such terms pass; the scheduler then takes a required one as met by no node, and fails on a preferred one.

use crate::api::{NodeSelectorTerm, Operator, Requirement};

const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or \
    '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex \
    used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const NAME_PART: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end \
    with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
    '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LONGEST: usize = 63;

/// The errors of the expressions of a term, each with its place below `path`.
pub fn of_term(term: &NodeSelectorTerm, path: &str) -> Vec<String> {
    let expressions = term.expressions.iter().enumerate();
    expressions
        .filter_map(|(n, requirement)| aggregate(errors(requirement, &format!("{path}.matchExpressions[{n}]"))))
        .collect()
}

/// Several errors as one text; equal ones are told once.
pub fn aggregate(errors: Vec<String>) -> Option<String> {
    let mut told: Vec<String> = Vec::new();
    for error in errors {
        if !told.contains(&error) {
            told.push(error);
        }
    }
    match told.len() {
        0 => None,
        1 => told.pop(),
        _ => Some(format!("[{}]", told.join(", "))),
    }
}

/// The first error of a requirement.
pub fn first_of_requirement(requirement: &Requirement) -> Option<String> {
    // Most are right, and then nothing is written.
    let plain = |text: &str| text.len() <= LONGEST && is_label_value(text);
    let values_fit = match requirement.operator {
        Operator::In | Operator::NotIn => !requirement.values.is_empty(),
        Operator::Exists | Operator::DoesNotExist => requirement.values.is_empty(),
        Operator::Gt | Operator::Lt => false,
    };
    if values_fit && key_errors(&requirement.key).is_empty() && requirement.values.iter().all(|value| plain(value)) {
        return None;
    }
    errors(requirement, "").into_iter().next()
}

fn errors(requirement: &Requirement, path: &str) -> Vec<String> {
    let mut errors = Vec::new();
    let keys = key_errors(&requirement.key);
    if !keys.is_empty() {
        errors.push(format!("{path}.key: Invalid value: {:?}: {}", &*requirement.key, keys.join("; ")));
    }
    let values = &requirement.values;
    let list =
        || format!("[]string{{{}}}", values.iter().map(|v| format!("{:?}", &**v)).collect::<Vec<_>>().join(", "));
    let mut wrong = |what: &str| errors.push(format!("{path}.values: Invalid value: {}: {what}", list()));
    match requirement.operator {
        Operator::In | Operator::NotIn if values.is_empty() => {
            wrong("for 'in', 'notin' operators, values set can't be empty");
        }
        Operator::Exists | Operator::DoesNotExist if !values.is_empty() => {
            wrong("values set must be empty for exists and does not exist");
        }
        Operator::Gt | Operator::Lt => {
            if values.len() != 1 {
                wrong("for 'Gt', 'Lt' operators, exactly one value is required");
            }
            for (n, value) in values.iter().enumerate().filter(|(_, value)| value.parse::<i64>().is_err()) {
                let what = "for 'Gt', 'Lt' operators, the value must be an integer";
                errors.push(format!("{path}.values[{n}]: Invalid value: {:?}: {what}", &**value));
            }
        }
        _ => {}
    }
    for (n, value) in values.iter().enumerate() {
        let mut why = Vec::new();
        if value.len() > LONGEST {
            why.push(format!("must be no more than {LONGEST} bytes"));
        }
        if !is_label_value(value) {
            why.push(LABEL_VALUE.to_owned());
        }
        if !why.is_empty() {
            let key = requirement.key;
            errors.push(format!("{path}.values[{n}][{key}]: Invalid value: {:?}: {}", &**value, why.join("; ")));
        }
    }
    errors
}

fn is_label_value(text: &str) -> bool {
    text.is_empty() || is_qualified(text)
}

fn is_qualified(text: &str) -> bool {
    let edge = |c: &u8| c.is_ascii_alphanumeric();
    let bytes = text.as_bytes();
    bytes.first().is_some_and(edge)
        && bytes.last().is_some_and(edge)
        && bytes.iter().all(|c| edge(c) || b"-_.".contains(c))
}

/// What is wrong with the key of a label (`validation.IsQualifiedName`).
fn key_errors(key: &str) -> Vec<String> {
    let parts: Vec<&str> = key.split('/').collect();
    let mut errors = Vec::new();
    let name = match parts[..] {
        [name] => name,
        [prefix, name] => {
            if prefix.is_empty() {
                errors.push("prefix part must be non-empty".to_owned());
            } else if !is_subdomain(prefix) {
                errors.push(
                    "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, \
                     '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex \
                     used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
                        .to_owned(),
                );
            }
            name
        }
        _ => {
            return vec![
                "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end \
                 with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for \
                 validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and \
                 '/' (e.g. 'example.com/MyName')"
                    .to_owned(),
            ];
        }
    };
    if name.is_empty() {
        errors.push("name part must be non-empty".to_owned());
    } else if name.len() > LONGEST {
        errors.push(format!("name part must be no more than {LONGEST} bytes"));
    }
    if !is_qualified(name) {
        errors.push(NAME_PART.to_owned());
    }
    errors
}

fn is_subdomain(text: &str) -> bool {
    let label = |part: &str| {
        let edge = |c: &u8| c.is_ascii_lowercase() || c.is_ascii_digit();
        let bytes = part.as_bytes();
        bytes.first().is_some_and(edge) && bytes.last().is_some_and(edge) && bytes.iter().all(|c| edge(c) || *c == b'-')
    };
    text.len() <= 253 && text.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Name;

    #[test]
    fn the_words_are_those_of_apimachinery() {
        let requirement = |operator, values: &[&str]| Requirement {
            key: Name::new("gen"),
            operator,
            values: values.iter().map(|value| Name::new(value)).collect(),
        };
        let check = |operator, values: &[&str], expected: Option<&str>| {
            let found = aggregate(errors(&requirement(operator, values), "[0].matchExpressions[0]"));
            assert_eq!(found.as_deref(), expected);
            assert_eq!(first_of_requirement(&requirement(operator, values)).is_none(), expected.is_none());
        };
        check(Operator::In, &["a", ""], None);
        check(Operator::Gt, &["4"], None);
        let value = format!("[0].matchExpressions[0].values[0][gen]: Invalid value: \"-2\": {LABEL_VALUE}");
        check(Operator::Gt, &["-2"], Some(&value));
        let integer = "[0].matchExpressions[0].values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value \
                       must be an integer";
        check(Operator::Lt, &["x"], Some(integer));
    }
}
