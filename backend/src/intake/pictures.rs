//! Pictures on a bounded number of blocking threads.

use api::{ImageRef, Warning, WarningCode};
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::{Error, Picture, Reader};

impl Reader {
    /// Sniffs, decodes and makes one picture small.
    pub(super) async fn decode(&self, image: ImageRef, bytes: Bytes) -> Result<Picture, Error> {
        let options = self.options.clone();
        self.on_thread(move || prepare(image, &bytes, &options))
            .await
    }

    /// Runs `work` on one of the bounded threads.
    pub(super) async fn on_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let thread = self
            .threads
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| Error::Lost)?;
        let work = move || {
            // The permit lives as long as the thread works, not as long as the caller waits.
            let _thread = thread;
            work()
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|_| Error::Lost)?
    }
}

fn prepare(image: ImageRef, bytes: &Bytes, options: &imaging::Options) -> Result<Picture, Error> {
    let prepared = match imaging::prepare(bytes, options) {
        Ok(prepared) => prepared,
        Err(error) => {
            return Err(Error::Picture {
                id: image.id,
                error,
            });
        }
    };
    Ok(Picture {
        warnings: warnings(&image.id, &prepared),
        digest: Sha256::digest(bytes).into(),
        media_type: prepared.format.mime(),
        bytes: prepared.bytes.into(),
        looks: Some(prepared.looks),
        id: image.id,
        filename: image.filename,
        caption: image.caption,
        link: image.link,
        role: image.role,
    })
}

fn warnings(id: &str, prepared: &imaging::Prepared) -> Vec<Warning> {
    let warning = |code, detail: &str| Warning {
        code,
        field: None,
        image: Some(id.to_owned()),
        detail: detail.to_owned(),
    };
    let soft = prepared.too_soft.then(|| {
        warning(
            WarningCode::ImageTooSoft,
            "The picture is blurred; check its text, or use a sharper one.",
        )
    });
    let others = prepared.warnings.iter().filter_map(|found| match found {
        imaging::Warning::FirstFrameOnly => Some(warning(
            WarningCode::ImageFirstFrameOnly,
            "The picture moves; only its first frame was read.",
        )),
        imaging::Warning::Truncated => Some(warning(
            WarningCode::ImageTruncated,
            "The picture's file ends early; only a part of it was read.",
        )),
        _ => None,
    });
    soft.into_iter().chain(others).collect()
}
