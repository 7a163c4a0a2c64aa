"""Languages of South-East Asia. Thai, Lao, Khmer and Burmese have no blanks between words."""

from __future__ import annotations

from typing import Final

from guard.engines.rules.vocabularies.words import Words

# Each language is a few lines, as a table is.
# fmt: off
SOUTH_EAST_ASIA: Final = (
    Words(
        "thai", script=r"\x{E00}-\x{E7F}",
        spaced=False, drop=r"เพิกเฉย|ละเลย|ไม่(?:ต้อง)?สนใจ|อย่าสนใจ|ลืม|ละทิ้ง|มองข้าม|เมินเฉย|(?:ไม่ต้อง|อย่า|ห้าม)(?:ทำ|ปฏิบัติ)ตาม", verb_first=True, negated=r"อย่า|ห้าม|ไม่|ไม่ควร|อย่าได้|ไม่ได้",
        earlier=r"ก่อน|ข้างต้น|ด้านบน|ข้างบน|ที่ผ่านมา|เดิม|ที่แล้ว", laws=r"คำสั่ง|คำแนะนำ|กฎ|กฏ|ข้อกำหนด|แนวทาง|พร้?อม(?:ต์|ท์|พต์)|คำชี้แจง|prompt", before=r"(?:ทุกอย่าง|ทุกสิ่ง)@(?:ข้างต้น|ก่อน|ด้านบน|ข้างบน)",
        show=r"แสดง|บอก|เปิดเผย|พิมพ์|เขียน", prompt=r"พร้?อม(?:ต์|ท์|พต์)(?:ของ)?ระบบ|คำสั่ง(?:ของ)?ระบบ|system prompt|(?:คำสั่ง|คำแนะนำ|กฎ)(?:เริ่มต้น|ลับ|ที่ซ่อน|ของคุณ|ดั้งเดิม)", untold=r"(?:อย่า|ห้าม|ไม่ต้อง)(?:บอก|แจ้ง|เปิดเผย|พูดถึง)|โดยไม่(?:บอก|แจ้ง)", user=r"ผู้ใช้|ลูกค้า",
        onwards=r"ตั้งแต่(?:นี้|ตอนนี้|บัดนี้)(?:เป็นต้นไป)?|จากนี้(?:ไป)?|นับจากนี้", you_are=r"คุณ(?:คือ|เป็น|จะ|ต้อง)|เธอคือ|ให้คุณ", task=r"(?:งาน|ภารกิจ|คำสั่ง|คำแนะนำ)ใหม่(?:คือ|:|ของคุณ|สำหรับคุณ)", note=r"ข้อความสำคัญ|ประกาศสำคัญ", model=r"ผู้ช่วย|ปัญญาประดิษฐ์|ai|เอไอ|โมเดล|แชทบอท|แชตบอต", instead=r"แทนที่จะ|แทน", do=r"เขียน|ส่ง|ตอบ|บอก|ทำ",
    ),
    Words(
        "lao", script=r"\x{E80}-\x{EFF}",
        spaced=False, drop=r"ບໍ່(?:ຕ້ອງ)?ສົນໃຈ|ຢ່າສົນໃຈ|ລືມ|ລະເລີຍ|ເພີກເສີຍ|(?:ບໍ່ຕ້ອງ|ຢ່າ|ຫ້າມ)(?:ປະຕິບັດຕາມ|ເຮັດຕາມ)", verb_first=True, negated=r"ຢ່າ|ບໍ່|ຫ້າມ", earlier=r"ກ່ອນ|ຂ້າງເທິງ|ຜ່ານມາ|ດ້ານເທິງ", laws=r"ຄ(?:ຳ|ໍາ)ສັ່ງ|ຄ(?:ຳ|ໍາ)ແນະນ(?:ຳ|ໍາ)|ກົດລະບຽບ|ລະບຽບ|prompt", before=r"(?:ທຸກຢ່າງ|ທຸກສິ່ງ)@(?:ຂ້າງເທິງ|ກ່ອນ|ດ້ານເທິງ)",
        untold=r"(?:ຢ່າ|ຫ້າມ|ບໍ່ຕ້ອງ)(?:ບອກ|ແຈ້ງ)", user=r"ຜູ້ໃຊ້|ລູກຄ້າ",
    ),
    Words(
        "khmer", script=r"\x{1780}-\x{17FF}",
        spaced=False, drop=r"(?:មិន|កុំ)(?:អើពើ|ខ្វល់|រវល់)|បំភ្លេច|ភ្លេច|ព្រងើយកន្តើយ|(?:កុំ|មិនត្រូវ)(?:ធ្វើតាម|អនុវត្តតាម)", verb_first=True, negated=r"កុំ|មិន|មិនត្រូវ|ខ្ញុំ|បាន", earlier=r"មុន|ខាងលើ|ពីមុន|កន្លងមក", laws=r"ការណែនាំ|សេចក្[តដ]ីណែនាំ|បញ្ជា|វិធាន|prompt", before=r"អ្វី(?:ៗ)?(?:ទាំងអស់|គ្រប់យ៉ាង)@(?:ខាងលើ|ពីមុន|មុន)",
        untold=r"(?:កុំ|មិនត្រូវ)(?:ប្រាប់|ជូនដំណឹង|បង្ហាញ)", user=r"អ្នកប្រើ|អតិថិជន",
    ),
    Words(
        "burmese", script=r"\x{1000}-\x{109F}",
        spaced=False, drop=r"လျစ်လျူရှု|လစ်လျူရှု|မေ့(?:လိုက်|ပစ်|ပါ)|ဥပေက္ခာပြု|ဂရုမစိုက်|မလိုက်နာ", negated=r"မ|မှ", earlier=r"ယခင်|အရင်|အထက်|ရှေ့က|အစောပိုင်း", laws=r"ညွှန်ကြားချက်|ညွန်ကြားချက်|အမိန့်|စည်းမျဉ်း|စည်းကမ်း|လမ်းညွှန်|prompt", before=r"(?:အထက်|ယခင်|အရင်|အပေါ်)@(?:အားလုံး|အရာအားလုံး)",
        untold=r"မပြော(?:ပါ)?(?:နဲ့|နှင့်)|မပြောရ|အသိမပေး(?:ပါ)?(?:နဲ့|နှင့်)|မပြ(?:ပါ)?(?:နဲ့|နှင့်)", user=r"အသုံးပြုသူ|သုံးစွဲသူ|ဖောက်သည်",
    ),
    Words(
        "malay",
        drop=r"abaikan(?:lah)?|lupakan(?:lah)?|ketepikan(?:lah)?|jangan (?:endahkan|hiraukan|pedulikan|ikut|patuhi|turuti)|tidak perlu (?:ikut|endahkan|patuhi)", negated=r"jangan|usah|tidak|jangan sesekali",
        earlier=r"sebelum ini|sebelumnya|terdahulu|di atas|lalu|asal|yang diberi~", laws=r"arahan~|peraturan~|perintah~|panduan~|suruhan|prompt~|instruksi", before=r"(?:semua|segala~|apa)@(?:di atas|sebelum ini|sebelumnya|tadi|terdahulu)",
        show=r"tunjukkan|paparkan|dedahkan|cetakkan|senaraikan|beritahu saya", prompt=r"(?:arahan|prompt|mesej) sistem|(?:arahan|peraturan|prompt) (?:asal|rahsia|tersembunyi|anda)|system prompt", untold=r"jangan (?:beritahu|beritau|maklumkan|sebut|dedahkan|ceritakan|bagitahu)|tanpa (?:memberitahu|memaklumkan|pengetahuan)", user=r"pengguna|pelanggan",
        onwards=r"mulai (?:sekarang|saat ini)|bermula sekarang|dari sekarang", you_are=r"anda|awak|kamu|bertindak~", task=r"tugas~ (?:baharu|baru)|arahan (?:baharu|baru)", note=r"(?:mesej|makluman|notis) penting", model=r"pembantu|ai|model|chatbot|kecerdasan buatan|llm", instead=r"sebaliknya", do=r"tulis~|hantar~|jawab~|buat~|balas~",
    ),
    Words(
        "filipino",
        drop=r"balewalain|huwag(?: na)? pansinin|wag(?: na)? pansinin|kalimutan|ipagwalang ?bahala|isantabi|limutin|ignorahin|(?:huwag|wag) (?:mong |ninyong )?(?:sundin|intindihin|pansinin)", negated=r"huwag|wag|huwag (?:na|mong|ninyong|nating) ?(?:huwag)?|wag mong|hindi",
        earlier=r"nauna~|nakaraan~|dati~|itaas|lahat|iyong|orihinal|ibinigay~", laws=r"tagubilin|utos|panuto|instruksiy?on~|patakaran|alituntunin|panuntunan|direktiba|prompt~|gabay|bilin|tuntunin", before=r"(?:lahat|anumang|bawat)@(?:itaas|kanina|dati|noon|bago ito|nauna)",
        show=r"ipakita|ibunyag|ilahad|isulat|ulitin|sabihin", prompt=r"(?:system|sistema~) prompt|(?:tagubilin|panuto|patakaran|alituntunin) (?:ng sistema|mo)|iyong (?:mga )?(?:~ )?(?:tagubilin|panuto|patakaran|alituntunin)", untold=r"(?:huwag|wag) (?:mong |ninyong |itong )*(?:sabihin|ipaalam|banggitin|ipakita|ibunyag)|nang hindi (?:sinasabi|ipinaaalam|nalalaman)", user=r"gumagamit|user|kustomer|tagagamit",
        onwards=r"mula ngayon|simula ngayon|magmula ngayon", you_are=r"ikaw|kayo|ka|dapat", task=r"bagong (?:gawain|tagubilin|utos|panuto|instruksy?on)", note=r"mahalagang (?:mensahe|paalala|paunawa)", model=r"assistant|katulong|ai|modelo|chatbot|llm", instead=r"sa halip", do=r"isulat|sumulat|sumagot|ipadala|magpadala|gawin|sabihin|sagutin",
    ),
    Words(
        "javanese",
        drop=r"lirwakna|lirwakake|lalekna|lalekake|aja (?:digatekake|dipaelu|manut|nggatekake|nggugu)|abaikna", negated=r"aja|ampun|ojo", earlier=r"sad?k?urunge|sadurung~|sakdurunge|biyen|ndhuwur|nduwur|kabeh|asli", laws=r"prentah~|pitunjuk~|pituduh~|instruksi~|aturan~|dhawuh~|prompt~|pranatan~", before=r"kabeh@(?:ndhuwur|nduwur|sadurunge|mau)",
        untold=r"aja (?:kandha|crita|ngandhani|ngomong)", user=r"pangguna|panganggo",
    ),
    Words(
        "hmong",
        drop=r"tsis (?:txhob )?quav ntsej|tsis txhob (?:mloog|ua raws)|hnov qab|tso tseg", verb_first=True, negated=r"tsis txhob|txhob|kuv|nws|peb|lawv|kuv tau", earlier=r"ua ntej|dhau los|saum toj|yav tas|saum no", laws=r"lus qhia|lus txib|lus samhwm|txoj cai|kev cai|lus taw qhia|prompt",
    ),
)
# fmt: on
