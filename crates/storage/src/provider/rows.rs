//! Rows of the block itself: header, number, body, receipts, look-ups, log index.

use crate::{
    ExecutedBlock, ProviderResult,
    codecs::{blocks, keys, meta, receipts},
    db::{Batch, Column},
    index,
};

/// Adds everything about a block that does not depend on earlier rows.
pub(super) fn write_block(batch: &mut Batch, block: &ExecutedBlock) -> ProviderResult<()> {
    let number = block.number();
    let key = keys::number(number);
    let sealed = &block.recovered_block;
    let output = &block.execution_output;
    let (body, receipt_row) = rayon::join(
        || blocks::encode_body(sealed.body(), sealed.senders()),
        || receipts::encode(&output.receipts),
    );
    batch.put(Column::Headers, key, blocks::encode_header(sealed.header()));
    batch.put(Column::HeaderNumbers, *block.hash(), key);
    batch.put(Column::Bodies, key, body);
    batch.put(Column::Receipts, key, receipt_row);
    for (index, transaction) in sealed.body().transactions.iter().enumerate() {
        let row = meta::encode_tx_lookup(number, index as u64);
        batch.put(Column::TxLookup, **transaction.tx_hash(), row);
    }
    for (hash, code) in &output.bytecodes {
        batch.put(Column::Bytecodes, **hash, code.original_byte_slice());
    }
    let (section, operand) = index::operand(number);
    for term in index::terms(&output.receipts) {
        batch.merge(Column::LogIndex, index::row_key(&term, section), operand);
    }
    Ok(())
}
