//! Manifests: YAML, KYAML and JSON text to documents that know where each field stands.
//!
//! A file is read as kubectl reads it: several documents, comments and empty documents among them, lists unfolded,
//! scalars resolved by the rules of go-yaml v2 (YAML 1.1). Anchors and merge keys work; duplicate keys are refused.

use super::yaml;
use serde_json::Value;
use std::fmt;
use xxhash_rust::xxh3::xxh3_64;

/// One object of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// The object.
    pub value: Value,
    /// Where it and its parts stand.
    pub positions: Positions,
}

/// A place in a text; lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Where a value and its parts stand.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Positions {
    pub(super) here: Position,
    pub(super) parts: Parts,
}

/// The parts of a value.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) enum Parts {
    #[default]
    None,
    /// Of a list, in order.
    Elements(Vec<Positions>),
    /// Of an object.
    Fields(FieldPlaces),
}

/// Where the fields of an object stand, key and value: by hashes of their names, of which there are many in a large
/// file and which are asked for only when something is wrong.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct FieldPlaces(Vec<(u64, (Position, Positions))>);

impl FieldPlaces {
    /// Adds a field that is not there yet.
    pub(super) fn insert(&mut self, name: &str, place: (Position, Positions)) {
        self.0.push((xxh3_64(name.as_bytes()), place));
    }

    /// A field's place, if it is there.
    pub(super) fn get(&self, name: &str) -> Option<&(Position, Positions)> {
        let hash = xxh3_64(name.as_bytes());
        self.0.iter().find(|(of, _)| *of == hash).map(|(_, place)| place)
    }

    /// Takes a field's place out, if it is there.
    pub(super) fn remove(&mut self, name: &str) -> Option<(Position, Positions)> {
        let hash = xxh3_64(name.as_bytes());
        let at = self.0.iter().position(|(of, _)| *of == hash)?;
        Some(self.0.swap_remove(at).1)
    }
}

impl Positions {
    /// Where the value begins.
    pub const fn here(&self) -> Position {
        self.here
    }

    /// Where a field stands that an error names, such as `spec.containers[0].resources.limits[cpu]`: its key, or the
    /// list element, or as much of the way to it as there is.
    ///
    /// ```
    /// let text = "kind: Pod\nspec:\n  containers:\n  - name: a\n    image: b\n";
    /// let documents = podsim::scenario::manifest::load(text.as_bytes()).expect("good YAML");
    /// let find = |field| documents[0].positions.find(field).to_string();
    /// assert_eq!(find("spec.containers[0].image"), "5:5");
    /// assert_eq!(find("spec.containers[0].ports"), "4:5");
    /// assert_eq!(find("metadata.name"), "1:1");
    /// ```
    pub fn find(&self, field: &str) -> Position {
        let mut place = (self.here, self);
        for step in steps(field) {
            let next = match &place.1.parts {
                Parts::None => None,
                Parts::Elements(elements) => {
                    step.parse::<usize>().ok().and_then(|index| elements.get(index)).map(|part| (part.here, part))
                }
                Parts::Fields(fields) => fields.get(step).map(|(key, part)| (*key, part)),
            };
            match next {
                Some(next) => place = next,
                None => break,
            }
        }
        place.0
    }
}

/// The steps of a field's path: names after dots, whatever stands in brackets.
fn steps(field: &str) -> impl Iterator<Item = &str> {
    let mut rest = field;
    std::iter::from_fn(move || {
        rest = rest.strip_prefix('.').unwrap_or(rest);
        if rest.is_empty() {
            return None;
        }
        let (step, after) = match rest.strip_prefix('[') {
            Some(inside) => inside.split_once(']').unwrap_or((inside, "")),
            None => rest.split_at(rest.find(['.', '[']).unwrap_or(rest.len())),
        };
        rest = after;
        Some(step)
    })
}

/// What is wrong with a manifest's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestError {
    /// Where.
    pub position: Position,
    /// What was found.
    pub found: String,
    /// What would do.
    pub remedy: String,
}

impl ManifestError {
    pub(super) fn new(position: Position, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { position, found: found.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; {}", self.position, self.found, self.remedy)
    }
}

impl std::error::Error for ManifestError {}

/// The largest file that is read.
pub const SIZE_LIMIT: usize = 256 << 20;

/// Reads the objects of a file, lists unfolded. All errors that can be told apart are returned.
pub fn load(bytes: &[u8]) -> Result<Vec<Document>, Vec<ManifestError>> {
    if bytes.len() > SIZE_LIMIT {
        let found = format!("a file of {} bytes", bytes.len());
        return Err(vec![ManifestError::new(START, found, format!("at most {SIZE_LIMIT} bytes are read"))]);
    }
    let text = text(bytes).map_err(|error| vec![error])?;
    let mut documents = Vec::new();
    let mut errors = Vec::new();
    for document in yaml::parse(text)? {
        unfold(document, &mut documents, &mut errors);
    }
    if errors.is_empty() { Ok(documents) } else { Err(errors) }
}

/// Reads the documents of a file, which need not be objects of a server.
pub(super) fn load_documents(bytes: &[u8]) -> Result<Vec<Document>, Vec<ManifestError>> {
    yaml::parse(text(bytes).map_err(|error| vec![error])?)
}

/// Reads a single value that need not be an object, such as a patch.
pub(super) fn load_value(bytes: &[u8]) -> Result<Value, Vec<ManifestError>> {
    let text = text(bytes).map_err(|error| vec![error])?;
    let mut documents = yaml::parse(text)?;
    Ok(documents.pop().map(|document| document.value).unwrap_or_default())
}

const START: Position = Position { line: 1, column: 1 };

/// The text of a file, without a byte-order mark.
pub(super) fn text(bytes: &[u8]) -> Result<&str, ManifestError> {
    let position_after = |good: &str| {
        let line = good.matches('\n').count() as u32 + 1;
        let column = good.rsplit('\n').next().unwrap_or_default().chars().count() as u32 + 1;
        Position { line, column }
    };
    let utf8 = "manifests are text in UTF-8";
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let good = std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default();
        let byte = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
        ManifestError::new(position_after(good), format!("the byte 0x{byte:02x}"), utf8)
    })?;
    let is_control = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}');
    if let Some(at) = text.find(is_control) {
        let found = format!("yaml: control characters are not allowed: {:?}", text[at..].chars().next().unwrap_or(' '));
        return Err(ManifestError::new(position_after(&text[..at]), found, utf8));
    }
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

/// Adds the objects of a document: itself, or the items of a list.
fn unfold(document: Document, documents: &mut Vec<Document>, errors: &mut Vec<ManifestError>) {
    let Document { value, positions } = document;
    let Value::Object(mut fields) = value else {
        if !value.is_null() {
            let found = format!("{}, not an object", describe(&value));
            let remedy = "a document is an object with apiVersion, kind and metadata";
            errors.push(ManifestError::new(positions.here, found, remedy));
        }
        return;
    };
    let kind = fields.get("kind").and_then(Value::as_str).unwrap_or_default();
    let Some(element_kind) = kind.strip_suffix("List").filter(|_| fields.contains_key("items")) else {
        documents.push(Document { value: fields.into(), positions });
        return;
    };
    let element_kind = element_kind.to_owned();
    let api_version = fields.get("apiVersion").cloned();
    let elements = match fields.remove("items") {
        Some(Value::Array(elements)) => elements,
        Some(Value::Null) | None => return,
        Some(other) => {
            let found = format!("items of {kind}: {}", describe(&other), kind = element_kind + "List");
            errors.push(ManifestError::new(positions.find("items"), found, "items is a list of objects"));
            return;
        }
    };
    let items = match positions.parts {
        Parts::Fields(mut fields) => fields.remove("items").map(|(_, items)| items.parts),
        Parts::None | Parts::Elements(_) => None,
    };
    let mut places = match items {
        Some(Parts::Elements(places)) => places,
        _ => Vec::new(),
    };
    places.resize(elements.len(), Positions::default());
    for (mut value, positions) in elements.into_iter().zip(places) {
        // The items of a typed list may leave to it what they are.
        if let (false, Value::Object(item)) = (element_kind.is_empty(), &mut value) {
            item.entry("kind").or_insert_with(|| element_kind.as_str().into());
            if let Some(api_version) = &api_version {
                item.entry("apiVersion").or_insert_with(|| api_version.clone());
            }
        }
        unfold(Document { value, positions }, documents, errors);
    }
}

fn describe(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn values(text: &str) -> Vec<Value> {
        let documents = load(text.as_bytes()).unwrap_or_else(|errors| panic!("{text}: {errors:?}"));
        documents.into_iter().map(|document| document.value).collect()
    }

    fn errors(text: &[u8]) -> Vec<String> {
        load(text).expect_err("a bad manifest").iter().map(ToString::to_string).collect()
    }

    #[test]
    fn scalars_are_those_of_yaml_1_1() {
        for (text, value) in [
            ("0644", json!(420)),
            ("0o644", json!(420)),
            ("0x1F", json!(31)),
            ("0b101", json!(5)),
            ("-0b11", json!(-3)),
            ("1_000", json!(1000)),
            ("08", json!(8)),
            ("1e3", json!(1000)),
            ("1.0", json!(1)),
            ("0.5", json!(0.5)),
            (".5", json!(0.5)),
            ("1.5e-3", json!(0.0015)),
            ("+7", json!(7)),
            ("18446744073709551615", json!(18_446_744_073_709_551_615u64)),
            ("yes", json!(true)),
            ("Off", json!(false)),
            ("y", json!(true)),
            ("n", json!(false)),
            ("TRUE", json!(true)),
            ("tRUE", json!("tRUE")),
            ("~", json!(null)),
            ("Null", json!(null)),
            ("", json!(null)),
            ("2001-12-14", json!("2001-12-14")),
            ("1.2.3", json!("1.2.3")),
            ("12:30:45", json!("12:30:45")),
            ("100m", json!("100m")),
            ("1GB", json!("1GB")),
            ("0xZZ", json!("0xZZ")),
            ("'0644'", json!("0644")),
            ("\"yes\"", json!("yes")),
            ("!!str 1.10", json!("1.10")),
            ("!!str yes", json!("yes")),
            ("!!int 7", json!(7)),
            ("!!float 7", json!(7)),
            ("! 12", json!("12")),
            ("!custom x", json!("x")),
            ("!!binary aGVsbG8=", json!("hello")),
            ("|\n  a\n  b", json!("a\nb\n")),
            (">-\n  a\n  b", json!("a b")),
        ] {
            let found = values(&format!("kind: X\nv: {text}\n"));
            assert_eq!(found, [json!({"kind": "X", "v": value})], "{text:?}");
        }
        // Keys are resolved, too: y is a truth value.
        assert_eq!(values("y: 1\n"), [json!({"true": 1})]);
        assert_eq!(values("1: a\ntrue: b\n1.5: c\n"), [json!({"1": "a", "true": "b", "1.5": "c"})]);
    }

    #[test]
    fn any_number_of_quoted_texts_may_be_indented_too_little() {
        // As in generated CustomResourceDefinitions with hundreds of such descriptions, of which none must be a reason
        // to read the file again from its beginning.
        let texts = "  d:\n  - a: 'one\n two\n  three'\n    b: \"four\n five\"\n".to_owned() + "  c: 1\n";
        let many: String =
            (0..150).map(|n| texts.replace("d:", &format!("d{n}:")).replace("c:", &format!("c{n}:"))).collect();
        let text = format!("---\nkind: A\nv:\n{many}").repeat(40) + "---\nkind: [\n";
        let told = errors(text.as_bytes());
        let lines = text.lines().count();
        assert!(told.len() == 1 && told[0].starts_with(&format!("{}:", lines + 1)), "{told:?}");
        let whole = &text[..text.len() - "---\nkind: [\n".len()];
        let found = values(whole);
        assert_eq!(found.len(), 40);
        let expected = json!([{"a": "one two three", "b": "four five"}]);
        assert!(found.iter().all(|value| value["v"]["d149"] == expected && value["v"]["c149"] == 1));
    }

    #[test]
    fn documents_comments_and_lists_are_unfolded() {
        let text = "\u{feff}# first\n---\n---\nkind: A\n--- # second\n{kind: B}\n...\n---\n# nothing\n---\n\
            apiVersion: v1\nkind: List\nitems:\n- kind: C\n- kind: List\n  items: [{kind: D}]\n---\n\
            apiVersion: rbac/v1\nkind: RoleList\nitems:\n- metadata: {name: r}\n---\nkind: PodList\nitems: []\n";
        let expected = [
            json!({"kind": "A"}),
            json!({"kind": "B"}),
            json!({"kind": "C"}),
            json!({"kind": "D"}),
            json!({"kind": "Role", "apiVersion": "rbac/v1", "metadata": {"name": "r"}}),
        ];
        assert_eq!(values(text), expected);
        assert_eq!(values(""), [] as [Value; 0]);
        assert_eq!(values("# only a comment\n"), [] as [Value; 0]);
    }

    #[test]
    fn json_and_kyaml_are_read() {
        assert_eq!(values("{\"kind\": \"A\",\n\t\"b\": [1, 2.0, \"\\u00e9\"]}\n{\"kind\": \"B\"}").len(), 2);
        let kyaml = "# KYAML\n---\n{\n  apiVersion: \"v1\",\n  kind: \"A\",\n  list: [{ a: 1, },],\n  b: \"no\",\n}\n";
        assert_eq!(values(kyaml), [json!({"apiVersion": "v1", "kind": "A", "list": [{"a": 1}], "b": "no"})]);
        assert_eq!(values("{kind: A, # not JSON\n}"), [json!({"kind": "A"})]);
        let loose = "a:\n  b: [\n  1,\n2\n  ]\n  c: {\n    d: 3\n}\n  e: \"f\n g\"\n  h: 'i\n\n  j'\nk: 4\n";
        let documents = load(loose.as_bytes()).unwrap_or_else(|errors| panic!("{errors:?}"));
        assert_eq!(documents[0].value, json!({"a": {"b": [1, 2], "c": {"d": 3}, "e": "f g", "h": "i\nj"}, "k": 4}));
        assert_eq!(documents[0].positions.find("a.b[0]").to_string(), "3:3");
        assert_eq!(documents[0].positions.find("a.b[1]").to_string(), "4:1");
        assert_eq!(documents[0].positions.find("k").to_string(), "14:1");
        // go-yaml accepts this escape, YAML 1.2 does not.
        assert_eq!(values(r#"{kind: "it\'s", b: "\'\\'"}"#), [json!({"kind": "it's", "b": "'\\'"})]);
    }

    #[test]
    fn anchors_and_merge_keys_are_expanded() {
        let text = "base: &b {x: 1, w: 2}\none: *b\ntwo:\n  w: 3\n  <<: *b\nmany:\n  <<: [{z: 1}, *b]\n";
        let expected = json!({"base": {"x": 1, "w": 2}, "one": {"x": 1, "w": 2}, "two": {"x": 1, "w": 3},
            "many": {"x": 1, "w": 2, "z": 1}});
        assert_eq!(values(text), [expected]);
    }

    #[test]
    fn what_is_wrong_is_told_with_its_place() {
        for (text, error) in [
            (
                &b"kind: A\nx: 1\nx: 2\n"[..],
                "3:1: yaml: unmarshal errors:\n  line 3: key \"x\" already set in map; keep one of the two",
            ),
            (b"- a\n", "1:1: a list, not an object; a document is an object with apiVersion, kind and metadata"),
            (b"kind: List\nitems: {}\n", "2:1: items of List: an object; items is a list of objects"),
            (b"a: \xff\n", "1:4: the byte 0xff; manifests are text in UTF-8"),
            (
                b"a: b\nc: \x01\n",
                "2:4: yaml: control characters are not allowed: '\\u{1}'; manifests are text in UTF-8",
            ),
            (b"a: *nobody\n", "1:4: while parsing node, found unknown anchor; define the anchor before it is used"),
            (b"a: &x [*x]\n", "1:8: an anchor that contains itself; write the value out"),
            (b"a: &x 1\n---\nb: *x\n", "3:4: unknown anchor; define it in the same document"),
            (b"a: {{ .Release.Name }}-x\n", "1:5: an object as key; render it first (helm template)"),
            (b"a:\n\t- b\n", "2:2: tabs disallowed within this context (block indentation); indent with spaces"),
            (b"? [a]\n: b\n", "1:3: a list as key; keys are texts"),
        ] {
            assert_eq!(errors(text), [error], "{:?}", String::from_utf8_lossy(text));
        }
        assert_eq!(errors(b"a: 1\na: 2\nb: {c: 1, c: 2}\n").len(), 2);
        assert_eq!(errors(b"{\"a\": 1, \"a\": 2}").len(), 1);
    }

    #[test]
    fn bombs_do_not_go_off() {
        let mut laughs = String::from("a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n");
        for level in 1..12 {
            let parts = vec![format!("*a{}", level - 1); 10].join(",");
            laughs += &format!("a{level}: &a{level} [{parts}]\n");
        }
        assert!(errors(laughs.as_bytes())[0].contains("yaml: document contains excessive aliasing"));
        let deep = format!("a: {}{}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(errors(deep.as_bytes())[0].contains("nested"));
        let deep = format!("{{\"a\": {}", "[".repeat(10_000));
        assert!(errors(deep.as_bytes())[0].contains("nested"));
        let deep: String = (0..5_000).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
        assert!(errors(deep.as_bytes())[0].contains("nested"));
    }

    #[test]
    fn fields_are_found_where_they_stand() {
        let text = "metadata:\n  labels: {a.b/c: d}\nspec:\n  list:\n  - x: 1\n    w:\n      z: 2\n  - {x: 3}\n";
        let documents = load(text.as_bytes()).expect("good YAML");
        for (field, place) in [
            ("", "1:1"),
            ("metadata.labels", "2:3"),
            ("metadata.labels[a.b/c]", "2:12"),
            ("spec.list[0]", "5:5"),
            ("spec.list[0].w.z", "7:7"),
            ("spec.list[1].x", "8:6"),
            ("spec.list[7].x", "4:3"),
            ("nowhere.at.all", "1:1"),
        ] {
            assert_eq!(documents[0].positions.find(field).to_string(), place, "{field}");
        }
        let json = load(b"{\n  \"kind\": \"A\",\n  \"b\": [1, {\"c\": 2}]}").expect("good JSON");
        assert_eq!(json[0].positions.find("b[1].c").to_string(), "3:13");
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = load(&bytes);
        }

        #[test]
        fn arbitrary_yaml_is_read_or_refused(text in r#"[-a:{}\[\]&*!|>%@`'"\\#,?<0-9 \n\t~]{0,120}"#) {
            let _ = load(text.as_bytes());
        }

        #[test]
        fn good_manifests_with_one_bad_byte_are_read_or_refused(at in 0usize..120, byte in any::<u8>()) {
            let mut text = b"apiVersion: v1\nkind: Pod\nmetadata: {name: &n a, labels: {x: *n}}\nspec:\n  containers:\n\
                - name: \"q\\n\"\n    image: 'x'\n".to_vec();
            let at = at.min(text.len() - 1);
            text[at] = byte;
            if let Ok(documents) = load(&text) {
                for document in documents {
                    let _ = crate::api::lower(&document.value);
                }
            }
        }
    }
}
