//! The CRD's structural schema, evaluated in the API server's order: unknown fields, nulls, defaults, values, rules.
//!
//! The keywords are those of Kubernetes' structural schemas, which differ from JSON Schema's (`nullable`, defaults that
//! are applied, rules); a keyword that is not known here fails a test, so that none is silently passed over.

use std::fmt::Write as _;
use std::sync::Arc;

use cel::Env;
use kube::CustomResourceExt as _;
use regex::Regex;
use serde_json::{Map, Value};

use super::cel::Rule;
use crate::api::VodMessageCallback;

/// One step of a path into an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

/// `spec.eventTypes[0]`
pub(super) fn path(steps: &[Step]) -> String {
    let mut path = String::new();
    for step in steps {
        let _ = match step {
            Step::Key(name) if path.is_empty() => write!(path, "{name}"),
            Step::Key(name) => write!(path, ".{name}"),
            Step::Index(n) => write!(path, "[{n}]"),
        };
    }
    path
}

/// Which end of an entry a violation is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Key,
    Value,
}

/// What the schema does not allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Violation {
    pub(super) path: Vec<Step>,
    /// Of a list that breaks a rule: the item that breaks it by itself.
    pub(super) item: Option<Step>,
    pub(super) place: Place,
    pub(super) message: String,
    pub(super) fix: Option<String>,
    /// The value's shape is wrong: rules about it cannot be asked.
    shape: bool,
}

impl Violation {
    fn new(path: &[Step], message: impl Into<String>) -> Self {
        Self {
            path: path.to_vec(),
            item: None,
            place: Place::Value,
            message: message.into(),
            fix: None,
            shape: false,
        }
    }

    fn key(mut self) -> Self {
        self.place = Place::Key;
        self
    }

    fn shape(mut self) -> Self {
        self.shape = true;
        self
    }

    fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

/// The schema, with its rules ready to be asked.
#[derive(Default)]
pub(super) struct Schema {
    kind: String,
    nullable: bool,
    default: Option<Value>,
    properties: Vec<(String, Schema)>,
    /// Any field is allowed: `metadata`, which has rules of its own.
    open: bool,
    required: Vec<String>,
    items: Option<Box<Schema>>,
    choices: Vec<Value>,
    min_length: Option<u64>,
    max_length: Option<u64>,
    min_items: Option<u64>,
    max_items: Option<u64>,
    pattern: Option<Regex>,
    rules: Vec<Rule>,
}

impl Schema {
    /// That of the CRD of this version.
    pub(super) fn of_the_crd() -> Result<Self, String> {
        let crd = serde_json::to_value(VodMessageCallback::crd()).map_err(|error| error.to_string())?;
        let schema = crd.pointer("/spec/versions/0/schema/openAPIV3Schema");
        let mut schema = Self::parse(schema.ok_or("the CRD has no schema")?, &Arc::new(Env::stdlib()))?;
        // The status is the operator's: what a manifest says of it is dropped.
        schema.properties.retain(|(name, _)| name != "status");
        for name in ["apiVersion", "kind", "metadata", "status"] {
            let open = Self {
                open: true,
                ..Self::default()
            };
            schema.properties.push((name.to_owned(), open));
        }
        Ok(schema)
    }

    fn parse(schema: &Value, env: &Arc<Env>) -> Result<Self, String> {
        let mut parsed = Self::default();
        for (keyword, value) in schema.as_object().into_iter().flatten() {
            match keyword.as_str() {
                "type" => parsed.kind = value.as_str().unwrap_or_default().to_owned(),
                "nullable" => parsed.nullable = value == &Value::Bool(true),
                "default" => parsed.default = Some(value.clone()),
                "properties" => {
                    for (name, schema) in value.as_object().into_iter().flatten() {
                        parsed.properties.push((name.clone(), Self::parse(schema, env)?));
                    }
                }
                "required" => parsed.required = texts(value),
                "items" => parsed.items = Some(Box::new(Self::parse(value, env)?)),
                "enum" => parsed.choices = value.as_array().cloned().unwrap_or_default(),
                "minLength" => parsed.min_length = value.as_u64(),
                "maxLength" => parsed.max_length = value.as_u64(),
                "minItems" => parsed.min_items = value.as_u64(),
                "maxItems" => parsed.max_items = value.as_u64(),
                "pattern" => {
                    let pattern = value.as_str().unwrap_or_default();
                    parsed.pattern = Some(Regex::new(pattern).map_err(|error| error.to_string())?);
                }
                "x-kubernetes-validations" => {
                    for validation in value.as_array().into_iter().flatten() {
                        parsed.rules.extend(Rule::of(validation, env)?);
                    }
                }
                // Words about the field, and how writers share it: nothing that a manifest alone could break.
                "description" | "title" | "format" | "x-kubernetes-list-type" | "x-kubernetes-list-map-keys" => {}
                other => return Err(format!("the CRD's schema says {other}, which is not understood")),
            }
        }
        Ok(parsed)
    }

    fn property(&self, name: &str) -> Option<&Self> {
        self.properties
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, schema)| schema)
    }

    /// All that the API server would refuse `object` for.
    pub(super) fn violations(&self, object: &Value) -> Vec<Violation> {
        let mut found = Vec::new();
        self.unknown_fields(object, &mut Vec::new(), &mut found);
        let mut object = object.clone();
        self.fill_in(&mut object);
        self.values(&object, &mut Vec::new(), &mut found);
        self.rules(&object, &mut Vec::new(), &mut found);
        found
    }

    fn unknown_fields(&self, value: &Value, path: &mut Vec<Step>, found: &mut Vec<Violation>) {
        self.each(value, path, |schema, value, path| match schema {
            Some(schema) => schema.unknown_fields(value, path, found),
            None => {
                let known: Vec<&str> = self.properties.iter().map(|(name, _)| name.as_str()).collect();
                let fix = format!("remove it, or use one of {}", known.join(", "));
                found.push(Violation::new(path, "unknown field").key().fix(fix));
            }
        });
    }

    /// Visits what is within `value`, each with its schema, if it has one.
    fn each(&self, value: &Value, path: &mut Vec<Step>, mut visit: impl FnMut(Option<&Self>, &Value, &mut Vec<Step>)) {
        match value {
            Value::Object(fields) if !self.open && self.kind == "object" => {
                for (name, value) in fields {
                    path.push(Step::Key(name.clone()));
                    visit(self.property(name), value, path);
                    path.pop();
                }
            }
            Value::Array(items) => {
                for (n, value) in items.iter().enumerate() {
                    path.push(Step::Index(n));
                    if let Some(schema) = &self.items {
                        visit(Some(schema), value, path);
                    }
                    path.pop();
                }
            }
            _ => {}
        }
    }

    /// A null that the schema does not allow is an absence, and an absence is the default.
    fn fill_in(&self, value: &mut Value) {
        match value {
            Value::Object(fields) => {
                for (name, schema) in &self.properties {
                    schema.fill_in_field(name, fields);
                }
            }
            Value::Array(items) => {
                if let Some(schema) = &self.items {
                    items.iter_mut().for_each(|item| schema.fill_in(item));
                }
            }
            _ => {}
        }
    }

    fn fill_in_field(&self, name: &str, fields: &mut Map<String, Value>) {
        if !self.nullable && !self.open && fields.get(name).is_some_and(Value::is_null) {
            fields.remove(name);
        }
        if let (None, Some(default)) = (fields.get(name), &self.default) {
            fields.insert(name.to_owned(), default.clone());
        }
        if let Some(value) = fields.get_mut(name) {
            self.fill_in(value);
        }
    }

    fn values(&self, value: &Value, path: &mut Vec<Step>, found: &mut Vec<Violation>) {
        if self.open || (value.is_null() && self.nullable) {
            return;
        }
        if !self.kind.is_empty() && !is_a(value, &self.kind) {
            let message = format!("must be {}, not {}", article(&self.kind), article(kind_of(value)));
            found.push(Violation::new(path, message).shape().fix(type_fix(value, &self.kind)));
            return;
        }
        if !self.choices.is_empty() && !self.choices.contains(value) {
            let choices: Vec<String> = self.choices.iter().map(Value::to_string).collect();
            let message = format!("Unsupported value {}", shown(value));
            found.push(
                Violation::new(path, message)
                    .shape()
                    .fix(format!("use one of {}", choices.join(", "))),
            );
        }
        match value {
            Value::String(text) => self.text(text, path, found),
            Value::Array(items) => self.length(items.len(), (self.min_items, self.max_items), "items", path, found),
            Value::Object(fields) => {
                for name in self.required.iter().filter(|name| !fields.contains_key(*name)) {
                    path.push(Step::Key(name.clone()));
                    found.push(
                        Violation::new(path, "Required value")
                            .shape()
                            .key()
                            .fix(format!("add {name}")),
                    );
                    path.pop();
                }
            }
            _ => {}
        }
        self.each(value, path, |schema, value, path| {
            if let Some(schema) = schema {
                schema.values(value, path, found);
            }
        });
    }

    fn text(&self, text: &str, path: &[Step], found: &mut Vec<Violation>) {
        self.length(
            text.chars().count(),
            (self.min_length, self.max_length),
            "characters",
            path,
            found,
        );
        if let Some(pattern) = self.pattern.as_ref().filter(|pattern| !pattern.is_match(text)) {
            found.push(Violation::new(path, format!("must match {}", pattern.as_str())));
        }
    }

    fn length(
        &self,
        length: usize,
        (least, most): (Option<u64>, Option<u64>),
        what: &str,
        path: &[Step],
        found: &mut Vec<Violation>,
    ) {
        let length = length as u64;
        if let Some(least) = least.filter(|least| length < *least) {
            found.push(Violation::new(
                path,
                format!("must have at least {least} {what}, not {length}"),
            ));
        }
        if let Some(most) = most.filter(|most| length > *most) {
            let message = format!("must have at most {most} {what}, not {length}");
            found.push(Violation::new(path, message).shape());
        }
    }

    fn rules(&self, value: &Value, path: &mut Vec<Step>, found: &mut Vec<Violation>) {
        if value.is_null() {
            return;
        }
        let sound = !found
            .iter()
            .any(|violation| violation.shape && violation.path.starts_with(path));
        for rule in self.rules.iter().filter(|rule| sound && !rule.holds(value)) {
            let breaks_it = |item: &Value| !rule.holds(&Value::Array(vec![item.clone()]));
            let item = value.as_array().and_then(|items| items.iter().position(breaks_it));
            found.push(Violation {
                item: item.map(Step::Index),
                ..Violation::new(path, rule.message.as_str()).fix(mend(&rule.message))
            });
        }
        self.each(value, path, |schema, value, path| {
            if let Some(schema) = schema {
                schema.rules(value, path, found);
            }
        });
    }
}

/// A rule's message says what is wrong, and after the last colon what to do, or both at once.
fn mend(message: &str) -> &str {
    message.rsplit_once(": ").map_or(message, |(_, mend)| mend)
}

fn texts(value: &Value) -> Vec<String> {
    let items = value.as_array().into_iter().flatten();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn is_a(value: &Value, kind: &str) -> bool {
    kind_of(value) == kind || (kind == "number" && value.is_number())
}

fn article(kind: &str) -> String {
    let article = if kind.starts_with(['a', 'i', 'o']) { "an" } else { "a" };
    if kind == "null" {
        kind.to_owned()
    } else {
        format!("{article} {kind}")
    }
}

fn type_fix(value: &Value, kind: &str) -> String {
    match (kind, value) {
        ("string", Value::Bool(_) | Value::Number(_)) => "put it in quotes".to_owned(),
        ("boolean", Value::String(_)) => "write true or false, without quotes".to_owned(),
        ("array", Value::String(_)) => "write it as a list, such as [TranscodeComplete]".to_owned(),
        _ => format!("write {}", article(kind)),
    }
}

/// A value for a message: not endless, no control characters.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    let cut: String = text.chars().take(60).collect();
    if cut == text { text } else { format!("{cut}…") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A keyword that is not understood would be an error here.
    #[test]
    fn all_of_the_crd_is_understood() {
        let schema = Schema::of_the_crd().unwrap();
        let spec = schema.property("spec").unwrap();
        assert!(!spec.rules.is_empty() && !spec.property("http").unwrap().property("url").unwrap().rules.is_empty());
        assert!(parse(&json!({ "type": "string", "oneOf": [] })).is_err());
    }

    fn parse(schema: &Value) -> Result<Schema, String> {
        Schema::parse(schema, &Arc::new(Env::stdlib()))
    }

    fn small() -> Schema {
        parse(&json!({
            "type": "object", "required": ["a"],
            "properties": {
                "a": { "type": "string", "default": "x", "minLength": 1, "pattern": "^[a-z]+$" },
                "n": { "type": "integer", "nullable": true },
                "o": { "type": "object", "required": ["b"], "properties": { "b": { "type": "boolean" } } },
                "l": { "type": "array", "minItems": 1, "items": { "type": "string", "enum": ["p", "q"] } },
            },
            "x-kubernetes-validations": [{ "rule": "self.a != 'bad'", "message": "a is bad: use another" }],
        }))
        .unwrap()
    }

    #[test]
    fn values_are_judged_after_nulls_and_defaults() {
        for (value, expected) in [
            (json!({}), vec![]),
            (json!({ "a": null, "n": null, "l": null }), vec![]),
            (json!({ "a": "bad" }), vec![(" ", "a is bad: use another")]),
            (json!({ "a": 1 }), vec![("a", "must be a string, not an integer")]),
            (
                json!({ "a": "" }),
                vec![
                    ("a", "must have at least 1 characters, not 0"),
                    ("a", "must match ^[a-z]+$"),
                ],
            ),
            (json!({ "n": 1.5 }), vec![("n", "must be an integer, not a number")]),
            (json!({ "o": {} }), vec![("o.b", "Required value")]),
            (json!({ "o": { "b": true, "c": 1 } }), vec![("o.c", "unknown field")]),
            (json!({ "l": [] }), vec![("l", "must have at least 1 items, not 0")]),
            (
                json!({ "l": ["p", null] }),
                vec![("l[1]", "must be a string, not null")],
            ),
            (json!({ "l": ["r"] }), vec![("l[0]", "Unsupported value \"r\"")]),
        ] {
            let found = small().violations(&value);
            let found: Vec<_> = found.iter().map(|v| (path(&v.path), v.message.as_str())).collect();
            let expected: Vec<_> = expected.iter().map(|(p, m)| (p.trim().to_owned(), *m)).collect();
            assert_eq!(found, expected, "{value}");
        }
    }
}
