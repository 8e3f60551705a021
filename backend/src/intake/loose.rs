//! Pictures that come without a summary's request: those of a conversation.

use api::ImageRef;
use bytes::Bytes;

use super::{Error, Picture, Reader};

impl Reader {
    /// The bytes of a `data:` URI, or of bare base64. `pointer` is where it stands in the request.
    ///
    /// # Errors
    /// [`Error::Field`] for another address or broken base64, [`Error::Picture`] for too many bytes.
    pub fn data_bytes(&self, pointer: &str, data: &str) -> Result<Bytes, Error> {
        let with_head = match data.contains(':') {
            true => data.to_owned(),
            false => format!("data:;base64,{}", data.trim()),
        };
        self.data_uri_at(pointer, pointer, &with_head)
    }

    /// How many pictures a request may have.
    ///
    /// # Errors
    /// [`Error::TooManyImages`].
    pub fn check_count(&self, pictures: usize) -> Result<(), Error> {
        let limit = self.bounds.max_images;
        if pictures > limit {
            return Err(Error::TooManyImages { limit });
        }
        Ok(())
    }

    /// Characters that the words of a request may have.
    ///
    /// # Errors
    /// [`Error::ContentTooLong`].
    pub fn check_chars(&self, chars: usize) -> Result<(), Error> {
        let limit = self.bounds.max_content_chars;
        if chars > limit {
            return Err(Error::ContentTooLong { limit });
        }
        Ok(())
    }

    /// Decodes pictures and makes them small, in their order. A fault names the picture by its place, from 1.
    ///
    /// # Errors
    /// [`Error`], that of the first picture at fault.
    pub async fn pictures(&self, pictures: Vec<Bytes>) -> Result<Vec<Picture>, Error> {
        self.check_count(pictures.len())?;
        let decoding = pictures.into_iter().enumerate().map(|(index, bytes)| {
            let image = ImageRef {
                id: (index + 1).to_string(),
                ..ImageRef::default()
            };
            self.decode(image, bytes)
        });
        futures_util::future::try_join_all(decoding).await
    }
}
