//! One CEL rule of the CRD.

use std::collections::HashMap;
use std::sync::Arc;

use cel::objects::{Key, Map};
use cel::parser::PrattParser;
use cel::{Context, Env, ExecutionError, IdedExpr, Value};
use serde_json::Value as Json;

use crate::domain::GoDuration;

/// A rule that is ready to be asked.
pub(super) struct Rule {
    /// CEL's standard library: making one costs more than asking a rule.
    env: Arc<Env>,
    expression: IdedExpr,
    /// What the user is told when it does not hold.
    pub(super) message: String,
}

impl Rule {
    /// Takes one item of `x-kubernetes-validations`; a rule about the change from one spec to the next says nothing of
    /// a manifest alone, and is none.
    pub(super) fn of(validation: &Json, env: &Arc<Env>) -> Result<Option<Self>, String> {
        let text = |key| validation.get(key).and_then(Json::as_str);
        let rule = text("rule").ok_or("a rule of the CRD has no text")?;
        let expression = PrattParser::new()
            .parse(rule)
            .map_err(|error| format!("the CRD's rule {rule} cannot be read: {error}"))?;
        if expression.references().has_variable("oldSelf") {
            return Ok(None);
        }
        let message = text("message").map_or_else(|| format!("failed rule: {rule}"), str::to_owned);
        Ok(Some(Self {
            env: Arc::clone(env),
            expression,
            message,
        }))
    }

    /// Whether it holds for `value`. As for the API server, a rule that cannot be evaluated does not.
    pub(super) fn holds(&self, value: &Json) -> bool {
        let mut context = Context::with_env(Arc::clone(&self.env));
        let declared = context.add_function("duration", duration);
        context.add_variable_from_value("self", to_cel(value));
        declared.is_ok() && Value::resolve(&self.expression, &context) == Ok(Value::Bool(true))
    }
}

/// Kubernetes reads Go's durations. In nanoseconds they compare as CEL's do, without a library for calendars.
fn duration(text: Arc<String>) -> Result<i64, ExecutionError> {
    let duration: Result<GoDuration, _> = text.parse();
    duration
        .ok()
        .and_then(|duration| i64::try_from(duration.0.as_nanos()).ok())
        .ok_or_else(|| ExecutionError::function_error("duration", "not a duration"))
}

/// As the API server sees values: whole numbers are signed, and a null is an absence.
fn to_cel(value: &Json) -> Value {
    match value {
        Json::Null => Value::Null,
        Json::Bool(bool) => Value::Bool(*bool),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => Value::Int(whole),
            None => Value::Float(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Value::String(Arc::new(text.clone())),
        Json::Array(items) => Value::List(Arc::new(items.iter().map(to_cel).collect())),
        Json::Object(fields) => {
            let present = fields.iter().filter(|(_, value)| !value.is_null());
            let map: HashMap<Key, Value> = present
                .map(|(name, value)| (Key::String(Arc::new(name.clone())), to_cel(value)))
                .collect();
            Value::Map(Map { map: Arc::new(map) })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn rule(text: &str) -> Option<Rule> {
        Rule::of(&json!({ "rule": text }), &Arc::new(Env::stdlib())).unwrap()
    }

    #[test]
    fn rules_see_values_as_the_api_server_does() {
        for (text, value, holds) in [
            ("has(self.a)", json!({ "a": 1 }), true),
            ("has(self.a)", json!({ "a": null }), false),
            ("self.n == 1 && size(self.l) == 2", json!({ "n": 1, "l": [1, 2] }), true),
            ("duration(self) >= duration('1m')", json!("59.999s"), false),
            ("duration(self) >= duration('1m')", json!("1m"), true),
            // What cannot be evaluated does not hold.
            ("duration(self) >= duration('1m')", json!("soon"), false),
            ("self.missing == 1", json!({}), false),
            ("self.matches('^[a-z]+$')", json!("ab\n"), false),
        ] {
            assert_eq!(rule(text).unwrap().holds(&value), holds, "{text} {value}");
        }
    }

    #[test]
    fn rules_about_a_change_say_nothing_of_a_manifest() {
        assert!(rule("self == oldSelf").is_none());
        assert!(Rule::of(&json!({ "rule": "self ==" }), &Arc::new(Env::stdlib())).is_err());
    }
}
