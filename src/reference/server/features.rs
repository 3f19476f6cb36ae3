//! Resources, prompts and completion of the fixture contract.

use super::super::rpc::{self, Outcome};
use super::content;
use serde_json::{Value, json};

const STATIC_TEXT: &str = "test://static-text";
const STATIC_BINARY: &str = "test://static-binary";
const WATCHED: &str = "test://watched-resource";

fn invalid(what: &str) -> Outcome {
    Outcome::error(rpc::INVALID_PARAMS, what)
}

/// All resources.
pub(super) fn resources() -> Vec<Value> {
    vec![
        json!({ "uri": STATIC_TEXT, "name": "static-text", "description": "A fixed text", "mimeType": "text/plain" }),
        json!({ "uri": STATIC_BINARY, "name": "static-binary", "description": "A fixed image", "mimeType": "image/png" }),
        json!({ "uri": WATCHED, "name": "watched-resource", "description": "Can be subscribed to", "mimeType": "text/plain" }),
    ]
}

/// All resource templates.
pub(super) fn templates() -> Vec<Value> {
    vec![json!({
        "uriTemplate": "test://template/{id}/data",
        "name": "template",
        "description": "Data for an id",
        "mimeType": "application/json",
    })]
}

fn template_id(uri: &str) -> Option<&str> {
    let id = uri.strip_prefix("test://template/")?.strip_suffix("/data")?;
    (!id.is_empty() && !id.contains('/')).then_some(id)
}

/// The uri in `params`, if it is one of ours.
///
/// # Errors
/// How to answer if it is missing or unknown.
pub(super) fn known_uri(params: &Value) -> Result<&str, Outcome> {
    let Some(uri) = params.get("uri").and_then(Value::as_str) else {
        return Err(invalid("`uri` is missing or no string"));
    };
    if [STATIC_TEXT, STATIC_BINARY, WATCHED].contains(&uri) || template_id(uri).is_some() {
        return Ok(uri);
    }
    let error = json!({
        "code": rpc::RESOURCE_NOT_FOUND,
        "message": "there is no resource with this uri",
        "data": { "uri": uri },
    });
    Err(Outcome::Error(error))
}

/// `resources/read`.
pub(super) fn read(params: &Value) -> Outcome {
    let uri = match known_uri(params) {
        Ok(uri) => uri,
        Err(refusal) => return refusal,
    };
    let contents = match uri {
        STATIC_TEXT => json!({
            "uri": uri, "mimeType": "text/plain", "text": "This is the content of the static text resource.",
        }),
        STATIC_BINARY => json!({ "uri": uri, "mimeType": "image/png", "blob": content::PNG }),
        WATCHED => json!({ "uri": uri, "mimeType": "text/plain", "text": "Watched resource content" }),
        _ => {
            let id = template_id(uri).unwrap_or_default();
            let data = json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") });
            json!({ "uri": uri, "mimeType": "application/json", "text": data.to_string() })
        }
    };
    Outcome::Result(json!({ "contents": [contents] }))
}

/// All prompts.
pub(super) fn prompts() -> Vec<Value> {
    let argument =
        |name: &str, description: &str| json!({ "name": name, "description": description, "required": true });
    vec![
        json!({ "name": "test_simple_prompt", "description": "A prompt without arguments" }),
        json!({
            "name": "test_prompt_with_arguments",
            "description": "A prompt with two arguments",
            "arguments": [argument("arg1", "The first argument"), argument("arg2", "The second argument")],
        }),
        json!({
            "name": "test_prompt_with_embedded_resource",
            "description": "A prompt with a resource in it",
            "arguments": [argument("resourceUri", "The uri of the resource")],
        }),
        json!({ "name": "test_prompt_with_image", "description": "A prompt with an image in it" }),
    ]
}

/// `prompts/get`.
pub(super) fn prompt(params: &Value) -> Outcome {
    let Some(name) = params.get("name").and_then(Value::as_str) else {
        return invalid("`name` is missing or no string");
    };
    let Some(prompt) = prompts().into_iter().find(|prompt| prompt["name"] == name) else {
        return invalid("there is no prompt with this name");
    };
    let given = |name: &str| params.get("arguments").and_then(|all| all.get(name)).and_then(Value::as_str);
    for argument in prompt["arguments"].as_array().into_iter().flatten() {
        let name = argument["name"].as_str().unwrap_or_default();
        if given(name).is_none() {
            return invalid(&format!("the argument `{name}` is missing or no string"));
        }
    }
    let user = |content: Value| json!({ "role": "user", "content": content });
    let text = |text: &str| json!({ "type": "text", "text": text });
    let messages = match name {
        "test_prompt_with_arguments" => {
            let (first, second) = (given("arg1").unwrap_or_default(), given("arg2").unwrap_or_default());
            vec![user(text(&format!("Prompt with arguments: arg1='{first}', arg2='{second}'")))]
        }
        "test_prompt_with_embedded_resource" => {
            let uri = given("resourceUri").unwrap_or_default();
            let resource = content::embedded(uri, "text/plain", "Embedded resource content for testing.");
            vec![user(resource), user(text("Please process the embedded resource above."))]
        }
        "test_prompt_with_image" => vec![user(content::image()), user(text("Please analyze the image above."))],
        _ => vec![user(text("This is a simple prompt for testing."))],
    };
    Outcome::Result(json!({ "description": prompt["description"], "messages": messages }))
}

/// `completion/complete`.
pub(super) fn complete(params: &Value) -> Outcome {
    let (Some(reference), Some(argument)) = (params.get("ref"), params.get("argument")) else {
        return invalid("`ref` or `argument` is missing");
    };
    let (Some(name), Some(typed)) =
        (argument.get("name").and_then(Value::as_str), argument.get("value").and_then(Value::as_str))
    else {
        return invalid("`argument.name` or `argument.value` is missing or no string");
    };
    let all: &[&str] = match reference.get("type").and_then(Value::as_str) {
        Some("ref/prompt") => {
            let prompt = reference.get("name").and_then(Value::as_str);
            if prompt.is_none_or(|prompt| !prompts().iter().any(|known| known["name"] == prompt)) {
                return invalid("there is no prompt with this name");
            }
            match name {
                "arg1" => &["hello", "help", "paris", "park", "party"],
                "arg2" => &["world", "work"],
                _ => &[],
            }
        }
        Some("ref/resource") => {
            let uri = reference.get("uri").and_then(Value::as_str);
            if uri.is_none_or(|uri| {
                !templates().iter().any(|known| known["uriTemplate"] == uri) && template_id(uri).is_none()
            }) {
                return invalid("there is no resource template with this uri");
            }
            if name == "id" { &["1", "12", "123"] } else { &[] }
        }
        _ => return invalid("`ref.type` is neither `ref/prompt` nor `ref/resource`"),
    };
    let values: Vec<&&str> = all.iter().filter(|value| value.starts_with(typed)).collect();
    Outcome::Result(json!({ "completion": { "values": values, "total": values.len(), "hasMore": false } }))
}
