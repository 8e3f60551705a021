//! Plain objects for JavaScript, made field by field.

#[cfg(any(feature = "core", feature = "decoders"))]
use js_sys::Array;
use js_sys::{Object, Reflect};
use wasm_bindgen::JsValue;

/// An object that is being written.
pub(crate) struct Plain(Object);

impl Plain {
    pub(crate) fn new() -> Self {
        Self(Object::new())
    }

    pub(crate) fn value(&mut self, name: &str, value: &JsValue) {
        // Only frozen objects and proxies refuse, and this is neither.
        let _ = Reflect::set(&self.0, &JsValue::from_str(name), value);
    }

    pub(crate) fn text(&mut self, name: &str, value: &str) {
        self.value(name, &JsValue::from_str(value));
    }

    pub(crate) fn number(&mut self, name: &str, value: f64) {
        self.value(name, &JsValue::from_f64(value));
    }

    #[cfg(any(feature = "core", feature = "decoders"))]
    pub(crate) fn truth(&mut self, name: &str, value: bool) {
        self.value(name, &JsValue::from_bool(value));
    }

    #[cfg(any(feature = "core", feature = "decoders"))]
    pub(crate) fn words(&mut self, name: &str, values: impl IntoIterator<Item = &'static str>) {
        let words: Array = values.into_iter().map(JsValue::from_str).collect();
        self.value(name, &words);
    }
}

impl From<Plain> for JsValue {
    fn from(plain: Plain) -> Self {
        plain.0.into()
    }
}
