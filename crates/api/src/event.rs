//! The events of a streamed answer (`Accept: text/event-stream`).

use crate::{EngineName, Field, Problem, Summary};

wire! {
    /// One server-sent event: `event:` is the tag, `data:` the content as JSON.
    ///
    /// A stream is `queued`* `started` (`delta` | `field`)* and ends with one `completed` or one `error`.
    /// A comment line comes at least every ten seconds.
    #[serde(tag = "event", content = "data", rename_all = "snake_case")]
    #[allow(clippy::large_enum_variant, reason = "events are few and short-lived; which variant is large depends on features")]
    pub enum Event {
        /// The request waits.
        Queued(Queued),
        /// An engine has begun.
        Started(Started),
        /// More text of a field that is being written.
        Delta(Delta),
        /// A field is complete.
        Field(FieldValue),
        /// Everything is there.
        Completed(Summary),
        /// It failed; nothing follows.
        Error(Problem),
    }

    /// A place in the queue.
    #[derive(Copy, Eq)]
    pub struct Queued {
        /// 1 is the next.
        pub position: u32,
        /// About how long until it starts, in milliseconds, when that can be told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[cfg_attr(feature = "typescript", ts(optional))]
        pub wait_ms: Option<u32>,
    }

    /// The engine that has begun.
    pub struct Started {
        /// Which engine.
        pub engine: EngineName,
        /// Its model and version.
        pub model: String,
    }

    /// Text to append to a field.
    pub struct Delta {
        /// The field.
        pub field: Field,
        /// The text.
        pub text: String,
    }

    /// A complete field.
    pub struct FieldValue {
        /// The field.
        pub name: Field,
        /// Its value, in the form that [`Summary`] has.
        #[cfg_attr(feature = "typescript", ts(type = "unknown"))]
        #[cfg_attr(feature = "openapi", schema(value_type = Object))]
        pub value: serde_json::Value,
    }
}

impl Event {
    /// The `event:` line.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Queued(_) => "queued",
            Self::Started(_) => "started",
            Self::Delta(_) => "delta",
            Self::Field(_) => "field",
            Self::Completed(_) => "completed",
            Self::Error(_) => "error",
        }
    }

    /// The `data:` line, without a line break.
    ///
    /// # Errors
    /// Never for a value that came through these types.
    pub fn data(&self) -> serde_json::Result<String> {
        match self {
            Self::Queued(data) => serde_json::to_string(data),
            Self::Started(data) => serde_json::to_string(data),
            Self::Delta(data) => serde_json::to_string(data),
            Self::Field(data) => serde_json::to_string(data),
            Self::Completed(data) => serde_json::to_string(data),
            Self::Error(data) => serde_json::to_string(data),
        }
    }

    /// Reads an event from its two lines. `None` for a name this version does not know, which a client skips.
    ///
    /// # Errors
    /// When `data` does not have the form of its name.
    pub fn parse(name: &str, data: &str) -> serde_json::Result<Option<Self>> {
        Ok(Some(match name {
            "queued" => Self::Queued(serde_json::from_str(data)?),
            "started" => Self::Started(serde_json::from_str(data)?),
            "delta" => Self::Delta(serde_json::from_str(data)?),
            "field" => Self::Field(serde_json::from_str(data)?),
            "completed" => Self::Completed(serde_json::from_str(data)?),
            "error" => Self::Error(serde_json::from_str(data)?),
            _ => return Ok(None),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_reads_back_as_it_was_written() {
        let event = Event::Delta(Delta {
            field: Field::Title,
            text: "Line\nbreak".into(),
        });
        let data = event.data().unwrap();
        assert!(!data.contains('\n'), "a data line has no break: {data}");
        assert_eq!(Event::parse(event.name(), &data).unwrap(), Some(event));
    }

    #[test]
    fn an_unknown_event_is_skipped() {
        assert_eq!(Event::parse("telepathy", "{}").unwrap(), None);
    }
}
