//! What a caller in the page gets when something goes wrong; [`SmartSummaryError`] crosses as a plain object.

use api::{Code, Problem};
use serde::Serialize;

/// What can go wrong on this side of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientCode {
    /// The caller's signal was aborted.
    Aborted,
    /// The server cannot be reached.
    Offline,
    /// The host gave no token.
    TokenFailed,
    /// The answer, or what the page's own part hands over, is not of the agreed form.
    Protocol,
}

/// The stable name that a caller acts on: the server's, or ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum ErrorCode {
    /// One of the contract's codes; pictures that are refused here have the code that the server would give.
    Server(Code),
    /// One of this side's.
    Client(ClientCode),
}

/// The one error of this crate. The fields are those of the TypeScript class with the same name.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SmartSummaryError {
    /// What to act on.
    pub code: ErrorCode,
    /// What happened and what to do, for a person.
    pub message: String,
    /// The HTTP status, when the server answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The server's own words; the TypeScript class takes `field` and `request_id` from here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<Box<Problem>>,
    /// When to try again, in milliseconds from the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// The picture that is at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}

impl SmartSummaryError {
    fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            status: None,
            problem: None,
            retry_after_ms: None,
            image: None,
        }
    }

    /// An error that only this side can have.
    pub fn client(code: ClientCode, message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Client(code), message)
    }

    /// An error that the server would give too, found before anything is sent.
    pub fn early(code: Code, message: impl Into<String>) -> Self {
        Self::new(ErrorCode::Server(code), message)
    }

    /// The same error, about the picture `id`.
    #[must_use]
    pub fn about(mut self, id: &str) -> Self {
        self.image = Some(id.to_owned());
        self
    }

    /// Something that cannot be, of a picture.
    pub fn bug(what: &str) -> Self {
        Self::early(Code::ImageBroken, format!("{what}, which is a bug"))
    }

    /// What the page's own part handed over cannot be read.
    #[cfg(any(feature = "net", feature = "draft"))]
    pub fn misread(cause: &serde_json::Error) -> Self {
        Self::early(
            Code::MalformedRequest,
            format!("the request is not of the documented form: {cause}"),
        )
    }
}

impl From<Problem> for SmartSummaryError {
    fn from(problem: Problem) -> Self {
        Self {
            code: ErrorCode::Server(problem.code),
            message: problem.detail.clone(),
            status: Some(problem.status),
            retry_after_ms: problem.retry_after_ms,
            image: problem.image.clone(),
            problem: Some(Box::new(problem)),
        }
    }
}

#[cfg(any(feature = "core", feature = "decoders"))]
impl From<imaging::Error> for SmartSummaryError {
    fn from(error: imaging::Error) -> Self {
        use imaging::{Error, Exceeded};
        let code = match &error {
            Error::NotAnImage => Code::NotAnImage,
            Error::Unsupported { .. } => Code::UnsupportedImage,
            Error::TooLarge {
                exceeded: Exceeded::Pixels { .. },
            } => Code::TooManyPixels,
            Error::TooLarge { .. } => Code::ImageTooLarge,
            _ => Code::ImageBroken,
        };
        Self::early(code, error.to_string())
    }
}

impl ErrorCode {
    /// The name that a caller acts on.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Server(code) => code.as_str(),
            Self::Client(ClientCode::Aborted) => "aborted",
            Self::Client(ClientCode::Offline) => "offline",
            Self::Client(ClientCode::TokenFailed) => "token_failed",
            Self::Client(ClientCode::Protocol) => "protocol",
        }
    }
}

// Field by field: the modules that a page loads first are too small for a JSON writer.
impl From<SmartSummaryError> for wasm_bindgen::JsValue {
    fn from(error: SmartSummaryError) -> Self {
        let mut object = crate::plain::Plain::new();
        object.text("code", error.code.as_str());
        object.text("message", &error.message);
        if let Some(status) = error.status {
            object.number("status", f64::from(status));
        }
        #[cfg(feature = "net")]
        if let Some(json) = error
            .problem
            .and_then(|problem| serde_json::to_string(&problem).ok())
        {
            object.value(
                "problem",
                &js_sys::JSON::parse(&json).unwrap_or(Self::UNDEFINED),
            );
        }
        if let Some(ms) = error.retry_after_ms {
            object.number("retry_after_ms", ms as f64);
        }
        if let Some(image) = error.image {
            object.text("image", &image);
        }
        object.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_keeps_its_code_and_what_a_person_needs() {
        let mut problem = Problem::new(Code::RateLimited, "Wait 24 seconds.", "req-1");
        problem.retry_after_ms = Some(24_000);
        let json = serde_json::to_value(SmartSummaryError::from(problem)).unwrap();
        assert_eq!(json["code"], "rate_limited");
        assert_eq!(json["message"], "Wait 24 seconds.");
        assert_eq!(json["status"], 429);
        assert_eq!(json["retry_after_ms"], 24_000);
        assert_eq!(json["problem"]["request_id"], "req-1");
        assert_eq!(json["problem"]["title"], Code::RateLimited.title());
    }

    #[test]
    fn what_is_absent_is_not_on_the_object() {
        let error = SmartSummaryError::client(ClientCode::TokenFailed, "no token");
        assert_eq!(
            serde_json::to_string(&error).unwrap(),
            r#"{"code":"token_failed","message":"no token"}"#
        );
    }

    #[test]
    fn the_names_of_codes_are_those_of_the_json() {
        for code in [
            ClientCode::Aborted,
            ClientCode::Offline,
            ClientCode::TokenFailed,
            ClientCode::Protocol,
        ] {
            let code = ErrorCode::Client(code);
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }

    #[cfg(feature = "decoders")]
    #[test]
    fn a_refused_picture_has_the_code_that_the_server_would_give() {
        let refusal = imaging::prepare(b"hello", &imaging::Options::default()).unwrap_err();
        let error = SmartSummaryError::from(refusal).about("hero");
        assert_eq!(error.code, ErrorCode::Server(Code::NotAnImage));
        assert_eq!(error.image.as_deref(), Some("hero"));
    }
}
