// The behaviour of the stores: notes.
#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "stores/behaviours.h"

namespace switchgear::stores {

using namespace fleet;

void add_note_behaviours(Behaviours& all) {
  all["HasNoNoteUntilOneIsWritten"] = [](Trial& t) {
    t.create_record();
    const NoteAnswer answer = t.note();
    t.check(!answer.written);
    t.equal(answer.note.revision, 0);
    t.equal(answer.note.text, std::string());
  };

  all["KeepsANote"] = [](Trial& t) {
    const NoteAnswer answer = t.write_note(0, "lease a");
    t.check(answer.written);
    t.equal(answer.note.revision, 1);
    t.equal(answer.note.text, "lease a");
    const NoteAnswer found = t.note();
    t.check(!found.written, "a read");
    t.equal(found.note.revision, 1);
    t.equal(found.note.text, "lease a");
  };

  all["TellsItsTimeWithANote"] = [](Trial& t) {
    const auto is_now = [&](const std::function<NoteAnswer()>& ask) {
      const StoreTime before = t.now();
      const StoreTime time = ask().note.time;
      t.check(time >= before - t.traits().uncertainty, "too early");
      t.check(time <= t.now() + t.traits().uncertainty, "too late");
    };
    is_now([&] { return t.note(); });
    is_now([&] { return t.write_note(0, "one"); });
    is_now([&] { return t.write_note(0, "refused"); });
  };

  all["ReplacesTheNoteOfTheExpectedRevision"] = [](Trial& t) {
    for (std::uint64_t revision = 0; revision < 12; ++revision) {
      const NoteAnswer answer = t.write_note(revision, "text " + std::to_string(revision));
      t.check(answer.written);
      t.equal(answer.note.revision, revision + 1);
    }
    t.equal(t.note().note.revision, 12);
    t.equal(t.note().note.text, "text 11");
  };

  all["RefusesANoteForAnotherRevisionAndShowsThePresentOne"] = [](Trial& t) {
    t.write_note(0, "one");
    t.write_note(1, "two");
    t.write_note(2, "three");
    for (const std::uint64_t expected : {0, 1, 2, 4, 30}) {
      const NoteAnswer answer = t.write_note(expected, "another");
      t.check(!answer.written, "expected " + std::to_string(expected));
      t.equal(answer.note.revision, 3);
      t.equal(answer.note.text, "three");
    }
    t.equal(t.note().note.text, "three");
  };

  all["RefusesToReplaceANoteThatIsNotThere"] = [](Trial& t) {
    const NoteAnswer answer = t.write_note(1, "two");
    t.check(!answer.written);
    t.equal(answer.note.revision, 0);
    t.equal(answer.note.text, std::string());
    t.equal(t.note().note.revision, 0);
  };

  all["ARepeatedNoteIsItsOwn"] = [](Trial& t) {
    for (std::uint64_t revision = 0; revision < 2; ++revision) {
      const std::string text = "text " + std::to_string(revision);
      t.check(t.write_note(revision, text).written);
      const NoteAnswer again = t.write_note(revision, text);
      t.check(again.written, "repeated");
      t.equal(again.note.revision, revision + 1);
      t.equal(again.note.text, text);
    }
    t.equal(t.note().note.revision, 2);
  };

  all["ANoteRepeatedAfterTheNextOneIsRefused"] = [](Trial& t) {
    t.write_note(0, "one");
    t.write_note(1, "two");
    const NoteAnswer late = t.write_note(0, "one");
    t.check(!late.written);
    t.equal(late.note.text, "two");
    // Also where the text is the same again.
    t.write_note(2, "one");
    t.check(!t.write_note(0, "one").written);
    t.equal(t.note().note.revision, 3);
  };

  all["OfTwoWhoReplaceANoteAtOnceOneDoes"] = [](Trial& t) {
    t.write_note(0, "before");
    const std::vector<NoteAnswer> answers = t.write_notes_at_once(1, {"ann", "bob", "cid"});
    t.equal(std::ranges::count(answers, true, &NoteAnswer::written), 1);
    const Note kept = t.note().note;
    t.equal(kept.revision, 2);
    for (const NoteAnswer& answer : answers) t.equal(answer.note.text, kept.text);
  };

  all["KeepsANoteOfAnyText"] = [](Trial& t) {
    std::uint64_t revision = 0;
    for (const std::string& text :
         {std::string("{\"a\":\"b\\\\\\n\",\r\n\t'c': `$d` %s #{e} :f}"),
          std::string("ünïcode, 漢字, 🔌, \xE2\x80\xA8"), std::string("\x01\x1f\x7f"),
          std::string(" "), std::string("0"), std::string("nil")}) {
      t.check(t.write_note(revision, text).written, text);
      ++revision;
      t.equal(t.note().note.text, text);
    }
  };

  all["KeepsALongNoteAndRefusesALongerOne"] = [](Trial& t) {
    std::string text;
    while (text.size() + 4 <= kNoteBytesMax) text += "ab\"\n";
    t.check(t.write_note(0, text).written);
    t.check(t.note().note.text == text, "it comes back as it was");
    t.equal(t.refusal_of_note(1, text + "."), "too_large");
    t.equal(t.note().note.revision, 1);
  };

  all["ANoteAndARecordLeaveEachOtherAlone"] = [](Trial& t) {
    t.write_note(0, "before the record");
    t.check(!t.read().record);
    t.create_record(100, 1);
    t.equal(t.status_of(adds(100, t.report(1))), Status::ok);
    t.equal(t.status_of(swaps(100, 1, full_record(101, 2))), Status::ok);
    t.equal(t.note().note.text, "before the record");
    t.check(t.write_note(1, "after it").written);
    t.equal(t.record(), full_record(101, 2));
  };

  all["KeepsTheNotesOfCircuitsApart"] = [](Trial& t) {
    t.write_note(0, "of one");
    t.circuit += "/eu";
    t.equal(t.note().note.revision, 0);
    t.check(t.write_note(0, "of another").written);
    t.equal(t.note().note.text, "of another");
  };

  all["ListsNoCircuitForItsNoteAlone"] = [](Trial& t) {
    const std::string name = t.circuit;
    t.write_note(0, "no record");
    t.circuit += "/a";
    t.write_note(0, "with a record");
    t.create_record();
    std::vector<std::string> ours;
    for (const std::string& found : t.names()) {
      if (found.starts_with(name)) ours.push_back(found);
    }
    t.equal(ours, std::vector{name + "/a"});
  };

  all["RemovesTheNoteWithItsCircuit"] = [](Trial& t) {
    t.create_record();
    t.write_note(0, "one");
    t.write_note(1, "two");
    t.remove();
    t.equal(t.note().note.revision, 0);
    t.check(!t.write_note(2, "three").written);
    t.check(t.write_note(0, "one").written);
    t.equal(t.note().note.revision, 1);
  };
}

}  // namespace switchgear::stores
