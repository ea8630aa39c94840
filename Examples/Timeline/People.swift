/// Ten thousand names, each of them once.
enum People {
    /// Number 0 is you.
    static func name(_ number: Int) -> String {
        guard number > 0 else { return "You" }
        let (family, given) = (number - 1).quotientAndRemainder(dividingBy: given.count)
        // Neighbours share neither name, and for a given name each shift of the family name comes once: so no pair comes twice.
        return "\(Self.given[given]) \(Self.family[(family + 7 * given) % Self.family.count])"
    }

    private static let given = words(
        """
        Ada Aiko Alba Amara Amir Anouk Anselm Aroha Arvid Asha Aurel Bao Bea Björn Bruno Cai Carmen Chidi Clara Cosmo Dalia Dario \
        Dina Dmitri Edda Eero Elif Elio Emeka Esme Fadi Farah Finn Flora Freya Gael Gita Greta Hana Hassan Hedda Hugo Ida Idris Ilse \
        Imani Ines Ivo Jamal Jana Jonas Jun Kaia Kamal Kiri Klaus Lale Lars Leila Lina Lior Luca Mads Maeve Malik Mara Mateo Mei \
        Mika Mina Moana Nadia Naoko Nils Noor Olga Omar Oskar Otto Pavel Petra Priya Quinn Rafael Rania Ravi Rosa Runa Samir Selma \
        Sigrid Soren Tama Tariq Thea Uma Viggo Wren Yara Zoltan
        """
    )

    private static let family = words(
        """
        Abe Adeyemi Aguilar Ahlberg Akintola Albrecht Amadi Andersen Aoki Arslan Asante Bakker Baptiste Barros Bauer Becker Benali \
        Berg Bianchi Blom Bose Brandt Cabral Calder Castillo Chen Cohen Costa Dahl Das Delgado Demir Diallo Doyle Dubois Eklund \
        Emery Endo Eriksen Fabre Falk Farouk Fischer Fonseca Fujita Gallo Garcia Ghosh Gomes Gruber Haas Haddad Hansen Hara Hoffmann \
        Holm Ibarra Ishii Jansen Joshi Kahale Kang Kato Keller Khan Kovac Kruger Larsen Lehtonen Levy Lindqvist Lopez Maas Mbeki \
        Medina Mendes Meyer Moana Moreau Mori Nair Ngata Nowak Oduya Okafor Olsen Park Pereira Petrov Quist Rao Rossi Ruiz Santos \
        Sato Tanaka Ueda Vance Weiss Yilmaz
        """
    )

    private static func words(_ text: String) -> [String] {
        text.split(separator: " ").map(String.init)
    }
}
