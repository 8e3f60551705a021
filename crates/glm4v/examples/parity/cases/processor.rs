//! Sizes, resized pixels and patches.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use glm4v::processor::{Processor, Rgb, smart_resize as resize};
use serde::Deserialize;
use serde_json::Value;

use super::fixture::{Checkpoint, Fixture, Rows, Tensors, count, json_if_there, string};
use super::report::{At, Report};

#[derive(Deserialize)]
struct Table {
    patch_size: usize,
    merge_size: usize,
    temporal_patch_size: usize,
    min_pixels: usize,
    max_pixels: usize,
    rows: Vec<[Option<usize>; 4]>,
}

/// `expected/smart_resize.json`: sizes of any configurations; null is a refusal.
pub fn smart_resize(fixture: &Fixture, report: &mut Report<'_>) {
    report.at("-", "smart_resize").attempt("table", |at| {
        let path = fixture.root.join("expected/smart_resize.json");
        let tables: BTreeMap<String, Table> = json_if_there(&path)?.unwrap_or_default();
        for (name, table) in tables {
            let frames = table.temporal_patch_size;
            let differs = |row: &&[Option<usize>; 4]| {
                let [Some(height), Some(width), h, w] = **row else {
                    return true;
                };
                let factor = table.patch_size * table.merge_size;
                let found = resize(
                    frames,
                    height,
                    width,
                    frames,
                    factor,
                    table.min_pixels,
                    table.max_pixels,
                );
                found.ok() != h.zip(w)
            };
            let wrong: Vec<_> = table.rows.iter().filter(differs).collect();
            let note = wrong
                .first()
                .map_or_else(String::new, |row| format!("first: {row:?}"));
            at.within_noted(
                &format!("{name}, {} sizes", table.rows.len()),
                wrong.len() as f64,
                0.0,
                note,
            );
        }
        Ok(())
    });
}

/// `expected/NAME/images`: grids, resizing, patches.
pub fn images(checkpoint: &Checkpoint, report: &mut Report<'_>) {
    let name = &checkpoint.name;
    let rows = json_if_there::<Rows>(&checkpoint.expected.join("images/images.json"));
    let setup = rows.and_then(|rows| {
        Ok((
            rows.unwrap_or_default(),
            Processor::from_dir(&checkpoint.dir)?,
        ))
    });
    let (rows, processor) = match setup {
        Ok(setup) => setup,
        Err(error) => return report.at(name, "images").failed("preprocessor", &error),
    };
    for row in &rows {
        let file = string(row, "image").unwrap_or("?").to_owned();
        report
            .at(name, &file)
            .attempt("image", |at| image(checkpoint, &processor, row, &file, at));
    }
}

fn image(
    checkpoint: &Checkpoint,
    processor: &Processor,
    row: &Value,
    file: &str,
    at: &mut At<'_, '_>,
) -> Result<()> {
    let (width, height) = (count(row, "width")?, count(row, "height")?);
    let grid = processor.grid_thw(width, height)?;
    let expected: [usize; 3] = serde_json::from_value(
        row.get("image_grid_thw")
            .context("no image_grid_thw")?
            .clone(),
    )?;
    at.same("image_grid_thw", &grid, &expected);
    at.same(
        "image_tokens",
        &processor.tokens(grid),
        &count(row, "image_tokens")?,
    );

    let stem = file.rsplit_once('.').map_or(file, |(stem, _)| stem);
    let tensors = Tensors::read(
        &checkpoint
            .expected
            .join("images")
            .join(stem)
            .with_extension("safetensors"),
    )?;
    let resized = rgb(&tensors, "resized_rgb")?;
    let source = if tensors.has("decoded_rgb") {
        rgb(&tensors, "decoded_rgb")?
    } else {
        let decoded = image::open(checkpoint.images.join(file))?.into_rgb8();
        Rgb::new(
            decoded.width() as usize,
            decoded.height() as usize,
            decoded.into_raw(),
        )?
    };
    let ours = processor.resize(&source)?;
    at.same(
        "resized size",
        &(ours.width(), ours.height()),
        &(resized.width(), resized.height()),
    );
    let levels = ours
        .pixels()
        .iter()
        .zip(resized.pixels())
        .map(|(a, b)| a.abs_diff(*b));
    let worst = levels.clone().max().unwrap_or(0);
    let share =
        levels.filter(|difference| *difference > 0).count() as f64 / resized.pixels().len() as f64;
    at.within("resize, levels", f64::from(worst), 2.0);
    at.within("resize, share of values off", share, 0.02);

    let pixels = processor.process(&resized)?;
    at.same("grid of the resized picture", &pixels.grid_thw, &expected);
    if tensors.has("pixel_values") {
        let expected = tensors.f32("pixel_values")?;
        at.same(
            "pixel_values, shape",
            &vec![pixels.rows, pixels.row_len],
            &expected.shape,
        );
        at.close("pixel_values", &pixels.patches, &expected.values, 1e-5);
    }
    if file.ends_with(".png") && tensors.has("decoded_rgb") {
        let rgba = image::open(checkpoint.images.join(file))?.into_rgba8();
        let on_white =
            Rgb::from_rgba_on_white(rgba.width() as usize, rgba.height() as usize, &rgba)?;
        at.same("transparency on white", &(on_white == source), &true);
    }
    Ok(())
}

/// A `[height, width, 3]` tensor.
pub fn rgb(tensors: &Tensors, name: &str) -> Result<Rgb> {
    let array = tensors.u8(name)?;
    let [height, width, 3] = array.shape[..] else {
        anyhow::bail!("`{name}` has the shape {:?}", array.shape)
    };
    Ok(Rgb::new(width, height, array.values)?)
}
